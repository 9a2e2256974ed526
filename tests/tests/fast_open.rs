//! Fast Open (RFC 7413) between two stacks: a round trip saved, and nothing lost or doubled over a bad wire.

use lendwire::tcp::{FastOpen, FastOpenKeys, ListenerHandle};
use lendwire::time::Span;
use lendwire_drivers::impaired::{Chance, Impairments};
use lendwire_tests::pair::Pair;
use lendwire_tests::setup::Setup;
use lendwire_tests::stream;

/// How long a frame takes.
const DELAY: Span = Span::from_millis(50);

/// A client that has the server's cookie, the server, and its listener.
fn acquainted(seed: u64, impairments: Impairments) -> (Pair, ListenerHandle) {
    let mut pair = Pair::impaired(&Setup::new(), seed, [impairments; 2]);
    let local = pair.there.socket(Pair::PORT);
    let listener = pair.there.stack.listen(local, 8).unwrap();
    let offer = FastOpen { limit: 4, keys: FastOpenKeys::Own };
    assert!(pair.there.stack.set_fast_open(listener, Some(offer)));
    for _ in 0..50 {
        if pair.here.stack.fast_open_room(local, pair.now()) > 0 {
            return (pair, listener);
        }
        let asks = pair.here.stack.connect_fast_open(local, None, pair.now()).unwrap();
        pair.run_for(Span::from_secs(20));
        pair.here.stack.abort(asks);
        while let Some(came) = pair.there.stack.accept(listener) {
            pair.there.stack.abort(came);
        }
        // Where the option was lost it is not tried again for a while.
        pair.run_for(Span::from_secs(16 * 60));
    }
    pair.fail("a cookie comes", "fifty tries")
}

#[test]
fn rfc7413_3_an_answer_takes_one_round_trip_instead_of_two() {
    let (mut pair, listener) = acquainted(1, Impairments { delay: DELAY.micros(), ..Impairments::default() });
    let (remote, began) = (pair.there.socket(Pair::PORT), pair.now());
    let here = pair.here.stack.connect_fast_open(remote, None, began).unwrap();
    assert_eq!(pair.here.stack.write(here, b"question"), Ok(8));
    let mut there = None;
    pair.run_until("the question has come", |pair| {
        there = there.or_else(|| pair.there.stack.accept(listener));
        there.is_some()
    });
    assert_eq!(pair.now().since(began), DELAY);
    let there = there.expect("it was accepted");
    assert_eq!(pair.there.stack.read(there, &mut [0; 20]), Ok(8));
    assert_eq!(pair.there.stack.write(there, b"answer"), Ok(6));
    pair.run_until("the answer has come", |pair| pair.here.stack.unread(here) == 6);
    assert_eq!(pair.now().since(began).micros(), 2 * DELAY.micros());
    assert!(pair.here.stack.info(here).unwrap().syn_data);
}

#[test]
fn whatever_a_bad_wire_does_to_fast_opens_each_end_reads_what_the_other_wrote() {
    let mut early = 0;
    for seed in 0..40 {
        let often = Chance::per_million(200_000);
        let bad = Impairments {
            loss: often,
            duplication: often,
            reordering: often,
            held_back: 30_000,
            delay: DELAY.micros(),
            ..Impairments::default()
        };
        let (mut pair, listener) = acquainted(seed, bad);
        let remote = pair.there.socket(Pair::PORT);
        let (question, answer) = (stream::bytes(0, 5000), stream::bytes(7, 9000));
        let here = pair.here.stack.connect_fast_open(remote, None, pair.now()).unwrap();
        assert_eq!(pair.here.stack.write(here, &question), Ok(5000));
        let (mut there, mut heard, mut told, mut got) = (None, Vec::new(), 0, Vec::new());
        pair.run_until("all has come", |pair| {
            let mut buffer = [0; 20_000];
            there = there.or_else(|| pair.there.stack.accept(listener));
            if let Some(there) = there {
                if let Ok(read) = pair.there.stack.read(there, &mut buffer) {
                    heard.extend_from_slice(&buffer[..read]);
                }
                if !heard.is_empty() {
                    told += pair.there.stack.write(there, &answer[told..]).unwrap();
                }
            }
            if let Ok(read) = pair.here.stack.read(here, &mut buffer) {
                got.extend_from_slice(&buffer[..read]);
            }
            heard.len() == 5000 && got.len() == 9000
        });
        assert!(heard == question && got == answer, "seed {seed}");
        assert_eq!(pair.there.stack.tcp_usage().connections, 1, "seed {seed}");
        early += usize::from(pair.here.stack.info(here).unwrap().syn_data);
    }
    assert!((10..40).contains(&early), "{early} SYNs brought their data");
}
