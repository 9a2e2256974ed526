//! Streams: bytes that go one way, with all that the end that is counted does for them; acknowledgments too. Each is done
//! once for each KiB.

use crate::ends::Ends;
use crate::{Machine, counted};

/// Times that each is done, after as many that are not counted.
const ROUNDS: usize = 16;
/// KiB that the application has at a time.
const KIB: usize = 64;

/// From the application to the ring, out of kept content; and its acknowledgments.
pub(crate) fn out<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let [here, there] = ends.first();
    for round in 0..2 * ROUNDS {
        let times = |times| (round >= ROUNDS).then_some(times);
        let mut chunk = Some(ends.content(KIB << 10));
        turn::<M>(path, times(KIB), || {
            ends.here.push(here, chunk.take().expect("it is pushed once")).expect("there is room");
            ends.poll();
        });
        let mut came = 0;
        while ends.waiting() > 0 {
            ends.over();
            came += ends.read_there(there);
            turn::<M>(path, times(0), || ends.poll());
        }
        assert!(round < ROUNDS || came == KIB << 10, "all of it arrived");
        ends.settle();
    }
}

/// From the ring to the application, which gives back what it read; and the acknowledgments of it.
pub(crate) fn inward<M: Machine>(ends: &mut Ends<M>, path: &str) {
    let [here, there] = ends.first();
    for round in 0..2 * ROUNDS {
        ends.there.push(there, ends.content(KIB << 10)).expect("there is room");
        ends.poll_there();
        let (mut times, mut came, mut frames) = (KIB, 0, ends.deliver());
        while frames > 0 {
            turn::<M>(path, (round >= ROUNDS).then_some(times), || {
                ends.poll();
                while let Ok(Some(chunk)) = ends.here.read_chunk(here) {
                    came += chunk.len();
                }
                ends.transmit();
            });
            times = 0;
            frames = ends.over();
        }
        assert!(round < ROUNDS || came == KIB << 10, "all of it arrived");
        ends.settle();
    }
}

/// One turn, which is counted where `times` is known.
fn turn<M: Machine>(path: &str, times: Option<usize>, work: impl FnOnce()) {
    match times {
        None => work(),
        Some(times) => counted::<M, _>(path, times, work),
    }
}
