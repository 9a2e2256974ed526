//! Static content is summed once, and with a device that sums, never.

use super::*;

fn serve(pair: &mut Pair, content: &'static Content) -> Work {
    let (here, there) = pair.connected();
    let before = pair.there.stack.work();
    pair.there.stack.push(there, content.chunk()).unwrap();
    pair.there.stack.close(there, pair.now());
    let mut came = stream::Check::default();
    pair.run_until("the page has come", |pair| {
        loop {
            match pair.here.stack.read_chunk(here) {
                Ok(Some(chunk)) => came.accept(&chunk),
                Ok(None) => return true,
                Err(ReadError::Empty) => return false,
                Err(error) => pair.fail("the page", &error.to_string()),
            }
        }
    });
    pair.here.stack.close(here, pair.now());
    assert_eq!(came.place(), content.bytes().len() as u64);
    let after = pair.there.stack.work();
    Work { copied: after.copied - before.copied, summed: after.summed - before.summed, verified: 0 }
}

#[test]
fn served_a_second_time_sums_nothing_and_copies_nothing() {
    let content = Content::leaked(Vec::leak(stream::bytes(0, 1 << 20)));
    let mut pair = Pair::loopback(&Setup::new());
    let first = serve(&mut pair, content);
    assert_eq!(first.copied, 0);
    assert!(first.summed > 0, "the first time the cuts inside the blocks are summed");
    for _ in 0..3 {
        assert_eq!(serve(&mut pair, content), Work::default());
    }
}

#[test]
fn with_checksum_offload_is_never_read() {
    let content = Content::leaked(Vec::leak(stream::bytes(0, 1 << 20)));
    let mut pair = Pair::loopback(&Setup::new().offloads(Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM));
    for _ in 0..2 {
        assert_eq!(serve(&mut pair, content), Work::default());
    }
}

#[test]
fn longer_than_the_send_budget_is_taken_whole_and_leaves_no_slot_held() {
    let mut pair = Pair::loopback(&Setup::new().tcp(|tcp| tcp.send_budget = 10_000));
    let content = Content::leaked(Vec::leak(stream::bytes(0, 100_000)));
    serve(&mut pair, content);
    assert_eq!(pair.held(), 0);
}
