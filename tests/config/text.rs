//! Text that may hold anything: what is no text, what is too long or too much,
//! and what chance makes of a good file.

use super::{ROUTER, empty, read, says, source};
use smena::config::{DIAGNOSTICS_MAX, Limits, Outcome, Source, parse};

const SMALL: Limits = Limits {
    routers: 1,
    addresses: 1,
    checks: 1,
    tracks: 1,
    resources: 1,
    interfaces: 1,
    peers: 1,
    sysctls: 1,
    services: 1,
    listeners: 1,
    servers: 1,
    workers: 1,
    modules: 1,
    mounts: 1,
    programs: 1,
    own_addresses: 1,
    file: 65536,
};

#[track_caller]
fn says_bytes(text: &[u8], limits: &Limits, expected: &str) {
    let said = read(source(text), limits).1;
    assert_eq!(said, expected, "\n{said}");
}

#[test]
fn bytes_that_are_no_text() {
    let says = |text: &[u8], expected| says_bytes(text, &Limits::BOARD, expected);
    says(
        b"[node]\nname = caf\xe9\n",
        "\
error: not UTF-8 text
  --> smena.ini:2:11
 2 | name = caf\\xe9
   |           ^^^^ save the file as UTF-8
",
    );
    says(
        b"[node]\nname = gw\0a\n",
        "\
error: a control character in the text
  --> smena.ini:2:10
 2 | name = gw\\x00a
   |          ^^^^ remove it
",
    );
    says(
        b"[node]\nname = \x1b[31m\n",
        "\
error: a control character in the text
  --> smena.ini:2:8
 2 | name = \\x1b[31m
   |        ^^^^ remove it
",
    );
    says(
        b"\xff\xfe[\0n\0o\0d\0e\0]\0",
        "\
error: not UTF-8 text
  --> smena.ini:1:1
 1 | \\xff\\xfe[\\x00n\\x00o\\x00d\\x00e\\x00]\\x00
   | ^^^^ save the file as UTF-8
",
    );
}

#[test]
fn a_line_of_100_kb() {
    let text = [ROUTER, "notify = /", &"x".repeat(102_390), "\n"].concat();
    let limits = Limits {
        file: 1 << 20,
        ..Limits::BOARD
    };
    says_bytes(text.as_bytes(), &limits, "\
error: a line of more than 1024 bytes
  --> smena.ini:5:1
 5 | notify = /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ shorten it; a long command belongs into a script
");
    says_bytes(text.as_bytes(), &Limits::BOARD, "\
error: too many bytes of configuration: there is room for 65536
  --> smena.ini:1:1
 1 | [vrrp VI_01]
   | ^ `file` in board.ini is the limit: raise it there and build again
error: a line of more than 1024 bytes
  --> smena.ini:5:1
 5 | notify = /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ shorten it; a long command belongs into a script
");
}

#[test]
fn a_place_far_to_the_right_is_shown_with_what_surrounds_it() {
    let text = [ROUTER, "notify = /", &"x ".repeat(200), "> /dev/null\n"].concat();
    says(
        "",
        &text,
        "\
error: `>` means something to a shell only
  --> smena.ini:5:411
 5 | ...x x x x x x x x x x > /dev/null
   |                        ^ smena runs the words as they are: put them into a script
",
    );
}

#[test]
fn a_line_has_1024_bytes_and_not_one_more() {
    let comment = "#".repeat(1024);
    says(ROUTER, &format!("{comment}\r\n"), "");
    let said = read(
        source(format!("{ROUTER}{comment}#").as_bytes()),
        &Limits::BOARD,
    )
    .1;
    assert!(said.starts_with("error: a line of more than 1024 bytes\n"));
}

#[test]
fn more_than_the_board_has_room_for() {
    let routers = "\
[vrrp a]
interface = eth0
virtual_router_id = 1
address = 10.0.0.1
address = 10.0.0.2 dev eth1
address = 10.0.0.2
track = c
track = d
[vrrp b]
interface = eth0
virtual_router_id = 2
address = 10.0.0.3
[check c]
process = c
[check d]
process = d
[sysctl]
net.ipv4.ip_forward = 1
net.ipv4.ip_nonlocal_bind = 1
";
    says_bytes(routers.as_bytes(), &SMALL, "\
error: too many interfaces: there is room for 1
  --> smena.ini:5:24
 5 | address = 10.0.0.2 dev eth1
   |                        ^^^^ `interfaces` in board.ini is the limit: raise it there and build again
error: too many addresses in one [vrrp]: there is room for 1
  --> smena.ini:6:11
 6 | address = 10.0.0.2
   |           ^^^^^^^^ `addresses` in board.ini is the limit: raise it there and build again
error: too many track lines in one [vrrp]: there is room for 1
  --> smena.ini:8:9
 8 | track = d
   |         ^ `tracks` in board.ini is the limit: raise it there and build again
error: too many [vrrp] sections: there is room for 1
  --> smena.ini:9:1
 9 | [vrrp b]
   | ^^^^^^^^ `routers` in board.ini is the limit: raise it there and build again
error: too many [check] sections: there is room for 1
  --> smena.ini:15:1
 15 | [check d]
    | ^^^^^^^^^ `checks` in board.ini is the limit: raise it there and build again
error: too many lines of [sysctl]: there is room for 1
  --> smena.ini:19:1
 19 | net.ipv4.ip_nonlocal_bind = 1
    | ^^^^^^^^^^^^^^^^^^^^^^^^^ `sysctls` in board.ini is the limit: raise it there and build again
");
}

#[test]
fn a_secret_in_a_file_that_everybody_can_read() {
    let text = [ROUTER, "auth_pass = secret\n"].concat();
    let source = Source {
        others_can_read: true,
        ..source(text.as_bytes())
    };
    let said = read(source, &Limits::BOARD).1;
    assert_eq!(
        said,
        "\
warning: everybody can read `smena.ini`, which has a password
  --> smena.ini:5:13
 5 | auth_pass = secret
   |             ^^^^^^ `chmod o-r smena.ini` changes that
",
        "\n{said}"
    );
}

#[test]
fn what_does_not_fit_on_a_screen_is_counted() {
    let text = "zzz\n".repeat(100);
    let (outcome, said) = read(source(text.as_bytes()), &Limits::BOARD);
    let told = said.matches("error: ").count();
    assert_eq!((outcome.errors, told), (100, DIAGNOSTICS_MAX + 1));
    assert!(said.ends_with("error: 68 more errors in `smena.ini`\n"));
}

#[test]
fn editors_may_leave_their_marks() {
    let text = format!("\u{feff}{ROUTER}\t; a comment\n  notify\t=  /bin/log \t# another\n");
    says("", &text.replace('\n', "\r\n"), "");
    says(
        "\u{feff}",
        "[node\r\n",
        "\
error: this is no section
  --> smena.ini:1:1
 1 | [node
   | ^^^^^ a section is written `[kind]` or `[kind name]`
",
    );
}

#[test]
fn a_comment_begins_after_a_blank_and_outside_of_quotes() {
    let text = "[check c]\nexec = /bin/echo a;b \"c ; d\" e#f ; comment\n[vrrp v] # comment\n";
    let text = format!("{text}{}track = c", &ROUTER["[vrrp VI_01]\n".len()..]);
    let mut config = empty();
    let source = source(text.as_bytes());
    let outcome = parse(&source, &Limits::BOARD, &mut config, &mut |d| panic!("{d}"));
    assert_eq!((outcome.errors, outcome.warnings), (0, 0));
    let smena::config::CheckKind::Exec(words) = config.checks[0].kind else {
        panic!("a command");
    };
    let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
    assert_eq!(words, ["/bin/echo", "a;b", "c ; d", "e#f"]);
}

/// The caller keeps one configuration and reads into it again and again.
#[test]
fn nothing_is_left_of_the_file_before() {
    let mut config = empty();
    let full = source(ROUTER.as_bytes());
    let outcome = parse(&full, &Limits::BOARD, &mut config, &mut |d| panic!("{d}"));
    assert_eq!((outcome.errors, config.routers.len()), (0, 1));
    let other = source(b"[node]\nname = gw-a\n");
    let outcome = parse(&other, &Limits::BOARD, &mut config, &mut |d| panic!("{d}"));
    assert_eq!((outcome.errors, config.routers.len()), (0, 0));
    assert_eq!(config.node.name, Some("gw-a"));
}

/// Chance changes a good file: there is always an answer, and every place that
/// is named is one of the file.
#[test]
fn chance_never_breaks_the_reader() {
    let files = [
        include_str!("../data/config/openuds-a.ini"),
        include_str!("../data/config/wimark-a.ini"),
        include_str!("../data/config/exchange-a.ini"),
        include_str!("../../board/openuds/smena.ini"),
    ];
    let pieces: Vec<&str> = files
        .iter()
        .flat_map(|file| file.split_inclusive(' '))
        .collect();
    let mut random = Random(1);
    let mut good = 0;
    for round in 0..20_000 {
        let mut text = files[round % files.len()].as_bytes().to_vec();
        for _ in 0..=random.below(6) {
            let at = random.below(text.len() + 1);
            let end = (at + random.below(12)).min(text.len());
            let piece = pieces[random.below(pieces.len())].as_bytes();
            let new: &[u8] = match random.below(5) {
                0 => &[],
                1 => &[random.next() as u8],
                2 => &b"\"\\;#=[]\n\r\0 \t/.-"[random.below(15)..][..1],
                _ => piece,
            };
            text.splice(at..end, new.iter().copied());
        }
        let limits = [Limits::BOARD, SMALL][random.below(2)];
        let Outcome { errors, warnings } = check(&text, &limits);
        good += u32::from(errors == 0 && warnings == 0);
    }
    assert!(good > 100, "{good}: there were also good ones");
}

fn check(text: &[u8], limits: &Limits) -> Outcome {
    let lines = text.split(|&byte| byte == b'\n').count();
    let mut before = (0, 0);
    parse(&source(text), limits, &mut empty(), &mut |diagnostic| {
        assert!(diagnostic.to_string().ends_with('\n'));
        if let Some(place) = diagnostic.place() {
            assert!(place.0 as usize <= lines && place >= before, "{place:?}");
            before = place;
        }
    })
}

/// Knuth's linear congruential numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as u32
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
}
