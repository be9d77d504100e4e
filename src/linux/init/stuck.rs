//! PID 1 without a keeper: the configuration is wrong, or the system refused.
//! The machine sends nothing and has no address, so it disturbs nobody; it says
//! what is wrong on its console again and again, answers whoever asks for the
//! status, and can be restarted.

use core::fmt::{self, Write as _};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::AsFd;
use rustix::io::read;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{SocketFlags, accept_with};
use rustix::time::Timespec;
use smena::config::Node;
use smena::say::Number;

use super::end;
use crate::linux::control::Length;
use crate::linux::listener::Listener;
use crate::linux::output::Output;
use crate::linux::signal::{Request, Signals};

/// How often it is said.
const EVERY: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};
/// How long somebody who asks may take.
const PATIENCE: core::time::Duration = core::time::Duration::from_millis(500);

/// Stays, until a signal asks for the end. `tell` writes what is wrong, and
/// `exit` is what `smena status` ends with.
pub fn stuck(exit: i32, tell: &mut dyn FnMut(&mut dyn fmt::Write)) -> ! {
    let (signals, listener) = (Signals::open(), Listener::open(Node::CONTROL));
    loop {
        let mut console = Output::stderr();
        tell(&mut console);
        let _ = console.write_str(
            "smena: this machine stays out of it; it reads its configuration again when it restarts\n",
        );
        console.flush();
        let mut waiting = true;
        while waiting {
            let mut descriptors = heapless::Vec::<PollFd<'_>, 2>::new();
            if let Ok(signals) = &signals {
                let _ = descriptors.push(PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN));
            }
            if let Ok(listener) = &listener {
                let _ = descriptors.push(PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN));
            }
            waiting = matches!(poll(&mut descriptors, Some(&EVERY)), Ok(1..));
            while let Some(request) = signals.as_ref().ok().and_then(Signals::next) {
                match request {
                    Request::Stop => end::end(&[], None),
                    Request::Collect => drop(end::collect_all()),
                    Request::Reload | Request::Rest => {}
                }
            }
            if let Ok(listener) = &listener {
                answer(listener, exit, tell);
            }
        }
    }
}

/// Answers whoever waits, as the control socket does.
fn answer(listener: &Listener, exit: i32, tell: &mut dyn FnMut(&mut dyn fmt::Write)) {
    while let Ok(socket) = accept_with(listener, SocketFlags::CLOEXEC) {
        let timed = set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))
            .and_then(|()| set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE)));
        let mut question = [0; 64];
        if timed.is_err() || read(&socket, &mut question).is_err() {
            continue;
        }
        let mut length = Length(0);
        tell(&mut length);
        let mut output = Output::new(socket.as_fd());
        let (exit, length) = (Number(exit.unsigned_abs().into()), Number(length.0));
        let _ = writeln!(output, "smena {exit} {length}");
        tell(&mut output);
        output.flush();
    }
}
