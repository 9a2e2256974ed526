//! The paths: what surrounds each, and what of it is counted.

use alloc::vec;

use lendwire::time::Span;
use lendwire_nic::Nic as _;

use crate::ends::Ends;
use crate::{Machine, counted};

/// Times that each path is done.
const ROUNDS: usize = 8;
/// Segments of a burst.
const BURST: usize = 32;

/// A write of [`BURST`] full segments out of kept content, to the driver's ring.
pub(crate) fn send<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let (connection, len) = (ends.first()[0], BURST * mss(ends));
    for round in 0..2 * ROUNDS {
        let chunk = ends.content(len);
        let work = || {
            ends.here.push(connection, chunk).expect("there is room");
            ends.poll();
        };
        // The window opens first.
        if round < ROUNDS {
            work()
        } else {
            counted::<M, _>(path, BURST, work)
        }
        assert!(round < ROUNDS || ends.waiting() == BURST, "all went at once");
        ends.settle();
    }
}

/// The same of bytes that are copied into slots.
pub(crate) fn send_copied<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let (connection, bytes) = (ends.first()[0], vec![7; BURST * mss(ends)]);
    for round in 0..2 * ROUNDS {
        let mut work = || {
            assert_eq!(ends.here.write(connection, &bytes), Ok(bytes.len()), "there is room");
            ends.poll();
        };
        if round < ROUNDS {
            work()
        } else {
            counted::<M, _>(path, BURST, work)
        }
        assert!(round < ROUNDS || ends.waiting() == BURST, "all went at once");
        ends.settle();
    }
}

/// [`BURST`] full segments that arrived together, from the driver's ring to the application, and what they are answered
/// with.
pub(crate) fn receive<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let [here, there] = ends.first();
    let len = BURST * mss(ends);
    for round in 0..2 * ROUNDS {
        ends.there.push(there, ends.content(len)).expect("there is room");
        ends.poll_there();
        let arrived = ends.deliver();
        let mut work = || {
            ends.poll();
            while let Ok(Some(chunk)) = ends.here.read_chunk(here) {
                drop(chunk);
            }
        };
        if round < ROUNDS {
            work()
        } else {
            counted::<M, _>(path, BURST, work)
        }
        assert!(round < ROUNDS || arrived == BURST, "all came at once");
        ends.settle();
    }
}

/// One full segment, to the application; its acknowledgment waits.
pub(crate) fn receive_one<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let [here, there] = ends.first();
    let len = mss(ends);
    for _ in 0..ROUNDS {
        ends.there.push(there, ends.content(len)).expect("there is room");
        ends.poll_there();
        assert_eq!(ends.deliver(), 1);
        counted::<M, _>(path, 1, || {
            ends.poll();
            ends.here.read_chunk(here).expect("the connection is open")
        });
        ends.settle();
    }
}

/// The acknowledgments of [`BURST`] segments that arrived together, one for two; nothing waits to be sent.
pub(crate) fn acknowledged<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let (connection, len) = (ends.first()[0], BURST * mss(ends));
    for round in 0..2 * ROUNDS {
        ends.here.push(connection, ends.content(len)).expect("there is room");
        ends.poll();
        for frame in ends.sent() {
            ends.take([frame]);
        }
        let arrived = ends.deliver();
        if round < ROUNDS {
            ends.poll();
        } else {
            assert!(arrived >= BURST / 2 - 1, "one for two");
            counted::<M, _>(path, arrived, || ends.poll());
        }
        ends.settle();
    }
}

/// The acknowledgment of two segments.
pub(crate) fn acknowledge<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let [here, there] = ends.first();
    let len = 2 * mss(ends);
    for _ in 0..ROUNDS {
        ends.there.push(there, ends.content(len)).expect("there is room");
        ends.poll_there();
        assert_eq!(ends.deliver(), 2);
        while let Some(packet) = ends.nic.receive() {
            ends.here.receive(ends.interface, packet, ends.now);
        }
        while let Ok(Some(_)) = ends.here.read_chunk(here) {}
        counted::<M, _>(path, 1, || ends.transmit());
        assert_eq!(ends.waiting(), 1);
        ends.settle();
    }
}

/// A request of 64 bytes comes, is read and answered with as many.
pub(crate) fn transaction<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let [here, there] = ends.first();
    for _ in 0..ROUNDS {
        ends.there.write(there, &[1; 64]).expect("the connection is open");
        ends.poll_there();
        assert_eq!(ends.deliver(), 1);
        counted::<M, _>(path, 1, || {
            ends.poll();
            let mut request = [0; 64];
            assert_eq!(ends.here.read(here, &mut request), Ok(64));
            assert_eq!(ends.here.write(here, &request), Ok(64));
            ends.transmit();
        });
        assert_eq!(ends.waiting(), 1);
        let frames = ends.sent();
        ends.now += Span::from_micros(100);
        ends.take(frames);
        ends.there.read(there, &mut [0; 64]).expect("the connection is open");
    }
}

/// A connection of ours, opened and closed by us; the peer closes at once.
pub(crate) fn open_and_close<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let to = ends.there_at();
    for _ in 0..ROUNDS {
        let connection = counted::<M, _>(path, 1, || {
            let connection = ends.here.connect(to, None, ends.now).expect("there is room");
            ends.transmit();
            connection
        });
        ends.over();
        counted::<M, _>(path, 0, || ends.poll());
        ends.over();
        let there = ends.accept_there();
        counted::<M, _>(path, 0, || {
            ends.here.close(connection, ends.now);
            ends.transmit();
        });
        let frames = ends.sent();
        ends.take(frames);
        ends.there.close(there, ends.now);
        ends.poll_there();
        ends.deliver();
        counted::<M, _>(path, 0, || ends.poll());
        ends.settle();
    }
}

/// A connection of the peer's, that it closes first.
pub(crate) fn accept_and_close<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let (to, listener) = (ends.here_at(), ends.listeners[0]);
    for round in 0..ROUNDS {
        let there = ends.there.connect(to, Some(40_000 + round as u16), ends.now).expect("there is room");
        ends.poll_there();
        ends.deliver();
        counted::<M, _>(path, 1, || ends.poll());
        ends.over();
        let here = counted::<M, _>(path, 0, || {
            ends.poll();
            ends.here.accept(listener).expect("the connection is there")
        });
        ends.there.close(there, ends.now);
        ends.poll_there();
        ends.deliver();
        counted::<M, _>(path, 0, || {
            ends.poll();
            ends.here.close(here, ends.now);
            ends.transmit();
        });
        ends.over();
        counted::<M, _>(path, 0, || ends.poll());
        ends.settle();
    }
}

/// A write of `len` bytes on a connection that was silent, until the first packet of it is the driver's.
pub(crate) fn first_packet<M: Machine>(ends: &mut Ends<M>, path: &str, len: usize) {
    let (connection, bytes) = (ends.first()[0], vec![7; len]);
    for _ in 0..ROUNDS {
        counted::<M, _>(path, 1, || {
            assert_eq!(ends.here.write(connection, &bytes), Ok(len), "there is room");
            ends.here.transmit(&mut [&mut ends.nic], ends.now, 1);
            ends.nic.flush();
        });
        assert_eq!(ends.waiting(), 1);
        ends.settle();
    }
}

/// The same of 64 KiB that are lent.
pub(crate) fn first_packet_lent<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let connection = ends.first()[0];
    for _ in 0..ROUNDS {
        let chunk = ends.content(65536);
        counted::<M, _>(path, 1, || {
            ends.here.push(connection, chunk).expect("there is room");
            ends.here.transmit(&mut [&mut ends.nic], ends.now, 1);
            ends.nic.flush();
        });
        assert_eq!(ends.waiting(), 1);
        ends.settle();
    }
}

/// One full segment that was lost goes again, when its deadline has come.
pub(crate) fn retransmission<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let connection = ends.first()[0];
    for _ in 0..ROUNDS {
        // What is acknowledged confirms the neighbour; what was sent twice does not.
        ends.here.write(connection, &[7; 64]).expect("there is room");
        ends.settle();
        ends.here.push(connection, ends.content(mss(ends))).expect("there is room");
        ends.poll();
        assert_eq!(ends.sent().len(), 1);
        // Later than any timer of a short path.
        ends.now += Span::from_millis(600);
        counted::<M, _>(path, 1, || ends.poll());
        assert_eq!(ends.waiting(), 1);
        ends.settle();
    }
}

/// Full segments that were lost in a row go again, once the peer has said that it holds all behind them.
pub(crate) fn retransmission_of_a_row<M: Machine>(ends: &mut Ends<M>, path: &str) {
    const LOST: usize = 16;
    let (connection, mss) = (ends.first()[0], mss(ends));
    let holds_all = |ends: &Ends<M>| {
        let window = ends.here.info(connection).expect("it is open").congestion_window;
        window as usize >= (LOST + BURST) * mss
    };
    for _ in 0..ROUNDS {
        for _ in 0..100 {
            if holds_all(ends) {
                break;
            }
            ends.here.push(connection, ends.content((LOST + BURST) * mss)).expect("there is room");
            ends.settle();
        }
        assert!(holds_all(ends), "the window is wide again");
        ends.here.push(connection, ends.content(LOST * mss)).expect("there is room");
        ends.poll();
        let _lost = ends.sent();
        ends.here.push(connection, ends.content(BURST * mss)).expect("there is room");
        ends.poll();
        ends.over();
        while let Some(packet) = ends.nic.receive() {
            ends.here.receive(ends.interface, packet, ends.now);
        }
        let before = ends.here.tcp_statistics().retransmissions;
        counted::<M, _>(path, LOST, || ends.transmit());
        let went = ends.here.tcp_statistics().retransmissions - before;
        assert_eq!(went as usize, LOST, "all went at once");
        ends.settle();
    }
}

/// A burst of datagrams of 64 bytes, from the application to the driver's ring.
pub(crate) fn send_datagrams<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let to = ends.there_at();
    let socket = ends.here.udp_bind(None, to.port()).expect("there is room");
    let peer = ends.there.udp_bind(None, to.port()).expect("there is room");
    for round in 0..=ROUNDS {
        let mut work = || {
            for _ in 0..BURST {
                ends.here.udp_send(socket, to, &[7; 64]).expect("there is room");
            }
            ends.transmit();
        };
        // The first of all ask for the neighbour.
        if round == 0 {
            work()
        } else {
            counted::<M, _>(path, BURST, work)
        }
        assert!(round == 0 || ends.waiting() == BURST, "all went at once");
        ends.settle();
        while ends.there.udp_read(peer).is_some() {}
    }
}

/// A burst of datagrams of 64 bytes, from the driver's ring to the application.
pub(crate) fn receive_datagrams<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let to = ends.here_at();
    let socket = ends.here.udp_bind(None, to.port()).expect("there is room");
    let peer = ends.there.udp_bind(None, to.port()).expect("there is room");
    for _ in 0..ROUNDS {
        for _ in 0..BURST {
            ends.there.udp_send(peer, to, &[7; 64]).expect("there is room");
        }
        ends.poll_there();
        assert_eq!(ends.deliver(), BURST);
        counted::<M, _>(path, BURST, || {
            ends.poll();
            while let Some(received) = ends.here.udp_read(socket) {
                drop(received);
            }
        });
        ends.settle();
    }
}

/// A poll that finds nothing.
pub(crate) fn empty_poll<M: Machine>(ends: &mut Ends<M>, path: &str) {
    for _ in 0..ROUNDS {
        counted::<M, _>(path, 1, || ends.poll());
        ends.now += Span::from_micros(10);
    }
}

/// The acknowledgment of 64 bytes on a connection that is chosen by chance.
pub(crate) fn acknowledged_alone<M: Machine>(ends: &mut Ends<M>, path: &str) {
    for round in 0..2 * ROUNDS {
        let [here, _] = ends.some(round);
        ends.here.write(here, &[7; 64]).expect("the connection is open");
        ends.poll();
        let frames = ends.sent();
        ends.take(frames);
        // It is delayed.
        ends.now += Span::from_millis(100);
        ends.poll_there();
        assert_eq!(ends.deliver(), 1);
        if round < ROUNDS {
            ends.poll()
        } else {
            counted::<M, _>(path, 1, || ends.poll())
        }
        ends.settle();
    }
}

/// 64 bytes arrive on a connection that is chosen by chance, and are read.
pub(crate) fn request<M: Machine>(ends: &mut Ends<M>, path: &str) {
    for round in 0..2 * ROUNDS {
        let [here, there] = ends.some(round);
        ends.there.write(there, &[7; 64]).expect("the connection is open");
        ends.poll_there();
        assert_eq!(ends.deliver(), 1);
        let mut work = || {
            ends.poll();
            assert_eq!(ends.here.read(here, &mut [0; 64]), Ok(64));
        };
        if round < ROUNDS {
            work()
        } else {
            counted::<M, _>(path, 1, work)
        }
        ends.settle();
    }
}

/// Data bytes of a full segment here.
fn mss<M: Machine>(ends: &Ends<M>) -> usize {
    let info = ends.here.info(ends.first()[0]).expect("the connection is open");
    usize::from(info.mss)
}
