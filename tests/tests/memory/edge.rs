//! RFC 9293 §3.8.6 (SHLD-14): a right edge that was shown never moves left, whatever is sent, read and set.

use lendwire::tcp::TcpHandle;
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, syn, syn_ack};
use lendwire_tests::setup::Setup;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// So many bytes, so far above what comes next.
    Sends {
        len: usize,
        above: u32,
    },
    Reads(usize),
    Waits(u64),
    Sets(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1usize..1461, prop_oneof![4 => Just(0u32), 1 => 1u32..6000]).prop_map(|(len, above)| Step::Sends { len, above }),
        3 => (1usize..20_000).prop_map(Step::Reads),
        2 => (1u64..60).prop_map(Step::Waits),
        1 => (0u32..200_000).prop_map(Step::Sets),
    ]
}

/// A connection, and by how much its windows are to be shifted.
fn opened(peer: &mut Peer) -> (TcpHandle, u8) {
    let listener = peer.listen();
    peer.sends(syn().mss(1460).window_scale(7));
    let scale = peer.expects(syn_ack()).scale.expect("scaling was offered");
    peer.sends(ack());
    let connection = peer.stack.accept(listener).expect("the handshake is complete");
    peer.stack.unlisten(listener);
    (connection, scale)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn shld_14_an_edge_that_was_shown_never_moves_left(
        steps in prop::collection::vec(step(), 1..80),
        budget in prop_oneof![Just(4_096u32), Just(20_000), Just(150_000), Just(1 << 20), Just(64 << 20)],
        memory in prop_oneof![Just(16usize << 10), Just(200 << 10), Just(1 << 30)],
    ) {
        let setup = Setup::new()
            .tcp(|tcp| tcp.receive_budget = budget)
            .tcp(|tcp| tcp.receive_memory = Some(memory));
        let mut peer = Peer::with(&setup);
        let (connection, scale) = opened(&mut peer);
        let (mut next, mut edge) = (1u32, 1);
        for step in steps {
            match step {
                Step::Sends { len, above } => peer.sends(data(&vec![1; len]).seq(next + above)),
                Step::Reads(len) => drop(peer.stack.read(connection, &mut vec![0; len])),
                Step::Waits(millis) => peer.waits(Span::from_millis(millis)),
                Step::Sets(budget) => peer.stack.set_receive_budget(connection, budget).expect("it is open"),
            }
            for came in peer.takes_all() {
                let shown = came.ack + (u32::from(came.window) << scale);
                prop_assert!(shown >= edge, "{edge} was promised, and then {shown}");
                (next, edge) = (came.ack, shown);
            }
        }
        // What was promised is taken, unless memory has run out.
        let left = edge - next;
        if memory == 1 << 30 && left > 0 {
            peer.sends(data(&vec![1; left.min(1460) as usize]).seq(next));
            peer.waits(Span::from_millis(50));
            let last = peer.takes_all().pop().expect("it is acknowledged");
            prop_assert!(last.ack >= next + left.min(1460), "{} bytes were promised", left);
        }
    }
}
