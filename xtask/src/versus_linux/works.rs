//! What is measured: each work, its unit, and what is asked of our guest (issue 5).

use crate::qemu::{Offloads, Service};

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// The most that it may cost our guest.
    pub(super) asked: Option<f64>,
    pub(super) kind: Kind,
}

/// How it is measured.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// By instructions, while our client does it so often.
    Counted { client: Client, offloads: Offloads, amount: u64 },
    /// By instructions, while wrk asks for so many seconds.
    Wrk { server: Server, seconds: u32 },
    /// Seconds from QEMU's start to the first reply to a ping.
    Boot,
    /// The fewest MiB with which a page is served.
    Memory,
}

/// What our client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// Reads what the guest's source says, and compares it.
    Pull,
    /// Writes to the guest's sink.
    Push,
    /// 64 bytes to the guest's echo and back, one after the other.
    Ask,
    /// The same, each on a connection of its own.
    Connect,
    /// A page of 1 KiB, one after the other on one connection.
    Http,
}

/// Who answers wrk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// What our image and the Linux guest's init serve.
    Own,
    /// nginx in the Linux guest, beside our image's own.
    Nginx,
}

impl Client {
    /// The service that it talks to.
    pub(super) fn service(self) -> Service {
        match self {
            Client::Pull => Service::Source,
            Client::Push => Service::Sink,
            Client::Ask | Client::Connect => Service::Echo,
            Client::Http => Service::Http,
        }
    }
}

const fn counted(
    name: &'static str,
    unit: &'static str,
    asked: f64,
    client: Client,
    offloads: Offloads,
    amount: u64,
) -> Work {
    Work { name, unit, asked: Some(asked), kind: Kind::Counted { client, offloads, amount } }
}

/// All of them, as the table has them.
pub(super) const WORKS: [Work; 11] = [
    counted("stream from the guest, no offloads", "instructions a byte", 0.7, Client::Pull, Offloads::Off, 64_000_000),
    counted("stream to the guest, no offloads", "instructions a byte", 0.7, Client::Push, Offloads::Off, 64_000_000),
    counted("stream from the guest, offloads", "instructions a byte", 0.05, Client::Pull, Offloads::On, 256_000_000),
    counted("stream to the guest, offloads", "instructions a byte", 0.05, Client::Push, Offloads::On, 256_000_000),
    counted("question and answer, 64 B", "instructions", 2_500.0, Client::Ask, Offloads::On, 4_000),
    counted("connect, question, close", "instructions", 15_000.0, Client::Connect, Offloads::On, 1_000),
    counted("HTTP, 1 KB", "instructions", 5_000.0, Client::Http, Offloads::On, 4_000),
    Work {
        name: "HTTP, 1 KB, 8 clients by wrk",
        unit: "instructions",
        asked: Some(5_000.0),
        kind: Kind::Wrk { server: Server::Own, seconds: 3 },
    },
    Work {
        name: "HTTP, 1 KB, 8 clients by wrk, nginx on Linux",
        unit: "instructions",
        asked: Some(5_000.0),
        kind: Kind::Wrk { server: Server::Nginx, seconds: 3 },
    },
    Work { name: "boot to the first reply to a ping", unit: "seconds", asked: Some(0.3), kind: Kind::Boot },
    Work { name: "least memory", unit: "MiB", asked: Some(4.0), kind: Kind::Memory },
];

/// Those whose names have one of the words; all where there is none.
pub(super) fn chosen(words: &[String]) -> Vec<Work> {
    let is_chosen = |work: &Work| words.is_empty() || words.iter().any(|word| work.name.contains(word.as_str()));
    WORKS.into_iter().filter(is_chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_are_chosen_by_words_of_their_names() {
        let names = |words: &[&str]| -> Vec<&str> {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            chosen(&words).iter().map(|work| work.name).collect()
        };
        assert_eq!(names(&[]).len(), WORKS.len());
        assert_eq!(
            names(&["boot", "question and"]),
            ["question and answer, 64 B", "boot to the first reply to a ping"]
        );
        assert_eq!(names(&["stream"]).len(), 4);
        assert!(names(&["nonsense"]).is_empty());
    }
}
