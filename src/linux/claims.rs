//! What neighbours say about who has which address: gratuitous ARP and ARP
//! replies, and neighbour advertisements, on every interface at once. It hears
//! nothing else of what the host says and is told, and decides nothing.

use rustix::event::epoll;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

use smena::event::Event;
use smena::wire;

use super::netlink::message::u32_at;
use super::packet::address;
use super::socket::{self, Instruction};

/// Messages taken after one wake-up.
const MESSAGES_MAX: u8 = 16;
const ETH_P_ARP: u16 = 0x0806;
const IPPROTO_ICMPV6: usize = 58;
const ICMP6_FILTER: usize = 1;

/// See the module. A socket that the system refused is not there: what it would
/// tell is a diagnosis and no more.
pub struct Claims {
    /// ARP, then neighbour advertisements.
    sockets: [Option<OwnedFd>; 2],
    waiting: u8,
}

impl Claims {
    /// Listens for the families that are wanted; epoll reports this token.
    pub fn open(wanted: [bool; 2], epoll: BorrowedFd<'_>, token: u64) -> Claims {
        let open: [fn() -> Result<OwnedFd, Errno>; 2] = [arp, advertisements];
        let mut claims = Claims {
            sockets: [None, None],
            waiting: 0,
        };
        for ((place, wanted), open) in claims.sockets.iter_mut().zip(wanted).zip(open) {
            let socket = wanted.then(open).and_then(Result::ok);
            *place = socket.filter(|socket| {
                let token = epoll::EventData::new_u64(token);
                epoll::add(epoll, socket, token, epoll::EventFlags::IN).is_ok()
            });
        }
        claims
    }

    /// Messages may wait.
    pub fn wake(&mut self) {
        self.waiting = MESSAGES_MAX;
    }

    /// The next claim; `None`: nothing waits, or it had its turn.
    pub fn next(&mut self, buffer: &mut [u8]) -> Option<Event<'static>> {
        for (at, socket) in self.sockets.iter().enumerate() {
            let Some(socket) = socket else {
                continue;
            };
            while self.waiting > 0 {
                let mut sender = [0; 20];
                let Ok(length) = socket::recvfrom(socket.as_fd(), buffer, &mut sender) else {
                    break;
                };
                self.waiting -= 1;
                let message = buffer.get(..length).unwrap_or_default();
                if let Some((address, mac)) = wire::read_claim(message) {
                    // A raw socket does not say where it came in.
                    let index = u32_at(&sender, 4).filter(|_| at == 0).unwrap_or(0);
                    return Some(Event::Claimed(index, address, mac));
                }
            }
        }
        self.waiting = 0;
        None
    }
}

/// ARP replies, and requests whose sender asks for itself.
fn arp() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)?;
    let step = |code, jump_true, jump_false, operand| Instruction {
        code,
        jump_true,
        jump_false,
        operand,
    };
    let program = [
        step(0x28, 0, 0, 6),        // the operation
        step(0x15, 4, 0, 2),        // a reply
        step(0x20, 0, 0, 14),       // the sender's address
        step(0x07, 0, 0, 0),        // is kept
        step(0x20, 0, 0, 24),       // the target's address
        step(0x1d, 0, 1, 0),        // is the same
        step(0x06, 0, 0, u32::MAX), // keep the whole message
        step(0x06, 0, 0, 0),        // drop it
    ];
    socket::attach_filter(fd.as_fd(), &program)?;
    socket::bind(fd.as_fd(), &address(0, ETH_P_ARP, [0; 6]))?;
    Ok(fd)
}

/// Neighbour advertisements (type 136), and no other ICMPv6.
fn advertisements() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let family = AddressFamily::INET6;
    let fd = socket_with(family, SocketType::RAW, flags, Some(ipproto::ICMPV6))?;
    let mut blocked = [0xff; 32];
    let word = !(1u32 << (136 % 32));
    if let Some(bytes) = blocked.get_mut(136 / 32 * 4..136 / 32 * 4 + 4) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    socket::setsockopt(fd.as_fd(), IPPROTO_ICMPV6, ICMP6_FILTER, &blocked)?;
    Ok(fd)
}
