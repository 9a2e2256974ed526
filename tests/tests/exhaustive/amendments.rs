//! Each amendment of the model is one that the stack needs: without it, some case differs. One that nothing needs would be
//! a tolerance, or the words of the section.

use lendwire_tests::segment_arrives::Amendment as By;

use crate::arrivals::{ISS, run};
use crate::case::cases;
use crate::situation::Situation as In;
use crate::world::World;

/// Where each shows.
const SHOWN: [(By, In); 20] = [
    (By::TextOfASynComesAgain, In::Listen),
    (By::SynAckAgain, In::SynReceived),
    (By::SynAcksCross, In::SynReceivedByBoth),
    (By::Rfc5961Reset, In::Established),
    (By::Rfc5961Syn, In::SynReceived),
    (By::Rfc5961Ack, In::Established),
    (By::NothingBeforeOurSyn, In::EstablishedAndYoung),
    (By::HandshakesReset, In::SynReceived),
    (By::ZeroWindow, In::EstablishedAndFull),
    (By::AFinTakesNoRoom, In::Established),
    (By::AcknowledgmentsAreNotHeld, In::Established),
    (By::OneFin, In::CloseWait),
    (By::Rfc1337, In::TimeWait),
    (By::TimeWaitTakesNothing, In::TimeWait),
    (By::AnyFinRestartsTimeWait, In::TimeWait),
    (By::TimeWaitReopens, In::TimeWaitAndListen),
    (By::TextAfterClose, In::FinWait2AndLeft),
    (By::AResetAcknowledges, In::FinWait2AndLeft),
    (By::ResetRefuses, In::SynSent),
    (By::RepliesStayInTheWindow, In::Established),
];

#[test]
fn each_amendment_is_one_that_the_stack_follows() {
    for amendment in By::ALL {
        let &(_, situation) = SHOWN.iter().find(|(shown, _)| *shown == amendment).expect("it stands in the list");
        let mut world = World::new(ISS, Some(amendment));
        let differs = cases(situation).any(|case| run(&mut world, &case).is_err());
        assert!(differs, "{amendment:?} changes nothing in {situation:?}");
    }
}
