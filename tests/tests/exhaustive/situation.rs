//! The states, and how a connection gets there.

use lendwire_tests::segment::flag::{ACK, FIN, SYN};
use lendwire_tests::segment_arrives::Segment;

use crate::world::{BUFFER, Difference, OFFERED, World};

/// A state, and what else matters there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    SynReceivedByBoth,
    EstablishedAndYoung,
    Established,
    EstablishedAndFull,
    FinWait1,
    FinWait1AndFull,
    FinWait1AndLeft,
    FinWait2,
    FinWait2AndFull,
    FinWait2AndLeft,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    TimeWaitAndListen,
}

use Situation as It;

impl Situation {
    pub(crate) const ALL: [Self; 19] = [
        It::Closed,
        It::Listen,
        It::SynSent,
        It::SynReceived,
        It::SynReceivedByBoth,
        It::EstablishedAndYoung,
        It::Established,
        It::EstablishedAndFull,
        It::FinWait1,
        It::FinWait1AndFull,
        It::FinWait1AndLeft,
        It::FinWait2,
        It::FinWait2AndFull,
        It::FinWait2AndLeft,
        It::CloseWait,
        It::Closing,
        It::LastAck,
        It::TimeWait,
        It::TimeWaitAndListen,
    ];

    /// Brings both there. The peer's SYN has number `irs`.
    pub(crate) fn enter(self, world: &mut World, irs: u32) -> Result<(), Difference> {
        let mut peer = Script { world, next: irs };
        match self {
            It::Closed => {}
            It::Listen => peer.world.listens(),
            It::SynSent => peer.world.connects(),
            It::SynReceived => {
                peer.world.listens();
                peer.says(SYN, 0)?;
            }
            It::SynReceivedByBoth => {
                peer.world.connects();
                peer.says(SYN, 0)?;
            }
            It::EstablishedAndYoung => {
                peer.accepted()?;
                peer.world.writes();
            }
            It::Established => peer.established()?,
            It::EstablishedAndFull => {
                peer.established()?;
                peer.says(ACK, BUFFER)?;
            }
            It::FinWait1 => peer.fin_wait_1()?,
            It::FinWait1AndFull => {
                peer.fin_wait_1()?;
                peer.says(ACK, BUFFER)?;
            }
            It::FinWait1AndLeft => {
                peer.fin_wait_1()?;
                peer.world.leaves();
            }
            It::FinWait2 => peer.fin_wait_2()?,
            It::FinWait2AndFull => {
                peer.fin_wait_2()?;
                peer.says(ACK, BUFFER)?;
            }
            It::FinWait2AndLeft => {
                peer.fin_wait_2()?;
                peer.world.leaves();
            }
            It::CloseWait => {
                peer.established()?;
                peer.says(FIN | ACK, 0)?;
            }
            It::Closing => {
                peer.fin_wait_1()?;
                peer.says(FIN | ACK, 0)?;
            }
            It::LastAck => {
                peer.established()?;
                peer.says(FIN | ACK, 0)?;
                peer.world.shuts_down();
            }
            It::TimeWait => peer.time_wait()?,
            It::TimeWaitAndListen => {
                peer.time_wait()?;
                peer.world.listens_beside();
            }
        }
        Ok(())
    }
}

/// A peer that does everything right.
struct Script<'w> {
    world: &'w mut World,
    next: u32,
}

impl Script<'_> {
    /// A segment in order, which acknowledges what it acknowledged before.
    fn says(&mut self, control: u8, len: u32) -> Result<(), Difference> {
        let una = self.world.model().tcb.snd_una as u32;
        self.acknowledges(una, control, len)
    }

    fn acknowledges(&mut self, ack: u32, control: u8, len: u32) -> Result<(), Difference> {
        let text = World::text(self.next, len);
        let ack = Some(ack).filter(|_| control & ACK != 0);
        let control = control & !ACK;
        let segment = Segment { seq: self.next, ack, control, wnd: OFFERED, text };
        self.next = self.next.wrapping_add(len + control.count_ones());
        self.world.arrives(&segment)
    }

    fn acknowledges_all(&mut self, control: u8) -> Result<(), Difference> {
        let nxt = self.world.model().tcb.snd_nxt as u32;
        self.acknowledges(nxt, control, 0)
    }

    fn accepted(&mut self) -> Result<(), Difference> {
        self.world.listens();
        self.says(SYN, 0)?;
        self.acknowledges_all(ACK)
    }

    /// ESTABLISHED, with old data, more than MAX.SND.WND of it, and data in flight.
    fn established(&mut self) -> Result<(), Difference> {
        self.accepted()?;
        for _ in 0..2 {
            self.world.writes();
            self.acknowledges_all(ACK)?;
        }
        self.world.writes();
        Ok(())
    }

    fn fin_wait_1(&mut self) -> Result<(), Difference> {
        self.established()?;
        self.world.shuts_down();
        Ok(())
    }

    fn fin_wait_2(&mut self) -> Result<(), Difference> {
        self.fin_wait_1()?;
        self.acknowledges_all(ACK)
    }

    fn time_wait(&mut self) -> Result<(), Difference> {
        self.fin_wait_2()?;
        self.acknowledges_all(FIN | ACK)?;
        // So that a wait that starts over ends later.
        self.world.waits();
        Ok(())
    }
}
