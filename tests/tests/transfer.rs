//! A gigabyte by lending: no byte is copied, and after start-up nothing is allocated. The counters that say so are seen
//! to count: a deliberate copy and a deliberate allocation trip them.

use lendwire::tcp::{PushRefused, ReadError, TcpHandle};
use lendwire_nic::{Offloads, Work};
use lendwire_tests::allocator::{self, Counting};
use lendwire_tests::pair::Pair;
use lendwire_tests::setup::Setup;
use lendwire_tests::stream::{self, Check, PERIOD};

#[global_allocator]
static ALLOCATOR: Counting = Counting::SYSTEM;

const GIGABYTE: u64 = 1_000_000_000;
const BOTH_CHECKSUMS: Offloads = Offloads::TX_CHECKSUM.union(Offloads::RX_CHECKSUM);

#[test]
fn a_gigabyte_with_offloaded_checksums_copies_reads_and_allocates_nothing() {
    let (mut pair, ends) = connected(BOTH_CHECKSUMS);
    let (before, allocations) = lend(&mut pair, ends, GIGABYTE);
    assert_eq!(allocations, 0);
    assert_eq!(since(&pair, before), Work::default());
}

#[test]
fn a_gigabyte_with_software_checksums_copies_and_allocates_nothing_and_sums_almost_nothing() {
    let (mut pair, ends) = connected(Offloads::empty());
    let (before, allocations) = lend(&mut pair, ends, GIGABYTE);
    let work = since(&pair, before);
    assert_eq!(allocations, 0);
    assert_eq!(work.copied, 0);
    // The receiver has to read what no device has checked; the sender finds most sums kept.
    assert_eq!(work.verified, GIGABYTE);
    assert!(work.summed < GIGABYTE / 2, "{} bytes were summed", work.summed);
    assert_eq!(pair.here.stack.tcp_statistics().retransmissions, 0);
}

#[test]
fn a_deliberate_copy_is_counted_at_both_ends() {
    let (mut pair, (here, there)) = connected(BOTH_CHECKSUMS);
    let (sent, before) = (stream::bytes(0, 10_000), work_of(&pair));
    assert_eq!(pair.here.stack.write(here, &sent), Ok(sent.len()));
    assert_eq!(since(&pair, before).copied, 10_000, "by write");
    pair.run_until("it has come", |pair| pair.there.stack.unread(there) == sent.len());
    assert_eq!(since(&pair, before).copied, 10_000, "by nothing else");
    let mut came = vec![0; 20_000];
    assert_eq!(pair.there.stack.read(there, &mut came), Ok(sent.len()));
    assert_eq!(since(&pair, before).copied, 20_000, "by read");
    assert_eq!(came[..sent.len()], sent);
}

#[test]
fn a_deliberate_allocation_is_counted() {
    let (mut pair, (here, there)) = connected(BOTH_CHECKSUMS);
    let ((), allocations) = allocator::during(|| {
        let kept = vec![1u8; 100];
        pair.here.stack.write(here, &kept).expect("there is room");
        pair.run_until("it has come", |pair| pair.there.stack.unread(there) == 100);
    });
    assert_eq!(allocations, 1);
}

#[test]
fn copying_carries_the_same_bytes_and_allocates_nothing_either() {
    const LEN: u64 = 20_000_000;
    let (mut pair, (here, there)) = connected(Offloads::empty());
    let before = work_of(&pair);
    let whole = stream::content().bytes();
    let (mut gone, mut came, mut buffer) = (0, Check::default(), [0; 10_000]);
    let ((), allocations) = allocator::during(|| {
        while came.place() < LEN {
            let at = (gone % PERIOD as u64) as usize;
            let most = ((LEN - gone) as usize).min(PERIOD - at);
            gone += pair.here.stack.write(here, &whole[at..at + most]).expect("it is open") as u64;
            pair.poll();
            while let Ok(read) = pair.there.stack.read(there, &mut buffer) {
                came.accept(&buffer[..read]);
            }
        }
    });
    assert_eq!(allocations, 0);
    let work = since(&pair, before);
    assert_eq!((work.copied, work.verified), (2 * LEN, LEN));
    assert_eq!(work.summed, 0, "the sum is taken with the copy");
}

#[test]
fn what_was_received_is_sent_on_without_a_copy_or_a_second_sum() {
    // An echo: the chunk that came is lent to the way back, with the sum that was taken to check it.
    let (mut pair, (here, there)) = connected(Offloads::empty());
    let sent = stream::bytes(0, 100_000);
    assert_eq!(pair.here.stack.write(here, &sent), Ok(sent.len()));
    let before = pair.there.stack.work();
    let mut came = Check::default();
    pair.run_until("the echo is complete", |pair| {
        while let Ok(Some(chunk)) = pair.there.stack.read_chunk(there) {
            pair.there.stack.push(there, chunk).expect("there is room for an echo");
        }
        while let Ok(Some(chunk)) = pair.here.stack.read_chunk(here) {
            came.accept(&chunk);
        }
        came.place() == 100_000
    });
    let after = pair.there.stack.work();
    assert_eq!(after.copied, before.copied);
    assert_eq!(after.summed, before.summed);
    assert_eq!(after.verified - before.verified, 100_000);
}

fn connected(offloads: Offloads) -> (Pair, (TcpHandle, TcpHandle)) {
    let mut pair = Pair::loopback(&Setup::new().offloads(offloads));
    let ends = pair.connected();
    (pair, ends)
}

/// Lends `len` bytes from one end to the other; returns what had been done before, and how many allocations it took.
fn lend(pair: &mut Pair, (here, there): (TcpHandle, TcpHandle), len: u64) -> (Work, u64) {
    let (content, before) = (stream::content(), work_of(pair));
    let (mut gone, mut came) = (0, Check::default());
    let ((), allocations) = allocator::during(|| {
        while came.place() < len {
            while gone < len {
                let at = (gone % PERIOD as u64) as usize;
                let most = ((len - gone) as usize).min(PERIOD - at);
                match pair.here.stack.push(here, content.chunk().slice(at..at + most)) {
                    Ok(()) => gone += most as u64,
                    Err(error) => {
                        assert_eq!(error.reason, PushRefused::Full);
                        break;
                    }
                }
            }
            assert!(pair.poll(), "the transfer stands still after {} bytes", came.place());
            loop {
                match pair.there.stack.read_chunk(there) {
                    Ok(Some(chunk)) => came.accept(&chunk),
                    Ok(None) => panic!("nobody has closed"),
                    Err(error) => {
                        assert_eq!(error, ReadError::Empty);
                        break;
                    }
                }
            }
        }
    });
    assert_eq!(came.place(), len);
    (before, allocations)
}

fn work_of(pair: &Pair) -> Work {
    let mut work = pair.here.stack.work();
    work += pair.there.stack.work();
    work
}

fn since(pair: &Pair, before: Work) -> Work {
    let now = work_of(pair);
    Work {
        copied: now.copied - before.copied,
        summed: now.summed - before.summed,
        verified: now.verified - before.verified,
    }
}
