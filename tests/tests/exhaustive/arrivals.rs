//! One segment of every kind in every state, and then two of a peer that does everything right: what the first one left
//! behind shows in how those are taken.

use std::fmt::Display;

use lendwire_tests::segment_arrives::Segment;

use crate::case::{Case, cases};
use crate::situation::Situation;
use crate::world::{Difference, OFFERED, World};

/// Both close to the wrap: SND.UNA before it and SND.NXT behind, RCV.NXT before it and the window's edge behind.
pub(crate) const ISS: u32 = u32::MAX - 99;
pub(crate) const IRS: u32 = u32::MAX - 600;

/// Runs one case in a world where nothing is.
pub(crate) fn run(world: &mut World, case: &Case) -> Result<(), Difference> {
    case.situation.enter(world, IRS).map_err(|difference| format!("on the way: {difference}"))?;
    let segment = case.segment(&world.model().tcb);
    world.arrives(&segment)?;
    world.late_acknowledgment()?;
    follow(world).map_err(|difference| format!("afterwards: {difference}"))?;
    world.reads_all()?;
    world.clear()
}

/// An old acknowledgment, which asks where we stand, and the text that fills every hole, up to a FIN if one is held.
pub(crate) fn follow(world: &mut World) -> Result<(), Difference> {
    let old = |world: &World| (world.model().tcb.rcv_nxt - 5000) as u32;
    if world.model().can_be_asked() {
        let (seq, ack) = (old(world), Some(world.model().tcb.snd_una as u32));
        world.arrives(&Segment { seq, ack, control: 0, wnd: OFFERED, text: Vec::new() })?;
    }
    let tcb = &world.model().tcb;
    let (seq, ack) = (tcb.rcv_nxt as u32, Some(tcb.snd_nxt as u32));
    let len = tcb.their_fin.map_or(700, |fin| (fin - tcb.rcv_nxt).max(0)).min(tcb.rcv_wnd) as u32;
    world.arrives(&Segment { seq, ack, control: 0, wnd: OFFERED, text: World::text(seq, len) })
}

fn all(situations: &[Situation]) {
    let only = std::env::var("LENDWIRE_CASE").ok();
    let mut failed = Vec::new();
    let mut count = 0;
    let mut world = World::new(ISS, None);
    for case in situations.iter().flat_map(|&situation| cases(situation)) {
        if only.as_ref().is_some_and(|only| *only != case.to_string()) {
            continue;
        }
        count += 1;
        if let Err(difference) = run(&mut world, &case) {
            failed.push(format!("{case}: {difference}"));
            world = World::new(ISS, None);
            if failed.len() >= 20 {
                break;
            }
        }
    }
    report(count, &failed);
}

fn report(count: usize, failed: &[impl Display]) {
    let lines: String = failed.iter().map(|line| format!("\n{line}")).collect();
    assert!(failed.is_empty(), "{} of {count} cases differ; LENDWIRE_CASE='…' repeats one:{lines}", failed.len());
}

#[test]
fn rfc9293_3_10_7_1_to_3_every_segment_before_there_is_a_connection() {
    all(&[Situation::Closed, Situation::Listen, Situation::SynSent]);
}

#[test]
fn rfc9293_3_10_7_4_every_segment_in_syn_received() {
    all(&[Situation::SynReceived, Situation::SynReceivedByBoth]);
}

#[test]
fn rfc9293_3_10_7_4_every_segment_in_established() {
    all(&[Situation::EstablishedAndYoung, Situation::Established, Situation::EstablishedAndFull]);
}

#[test]
fn rfc9293_3_10_7_4_every_segment_after_our_fin() {
    all(&[Situation::FinWait1, Situation::FinWait2]);
}

#[test]
fn rfc9293_3_10_7_4_every_segment_after_our_fin_into_a_closed_window() {
    all(&[Situation::FinWait1AndFull, Situation::FinWait2AndFull]);
}

#[test]
fn rfc9293_3_10_7_4_every_segment_after_the_application_left() {
    all(&[Situation::FinWait1AndLeft, Situation::FinWait2AndLeft]);
}

#[test]
fn rfc9293_3_10_7_4_every_segment_after_the_peers_fin() {
    all(&[Situation::CloseWait, Situation::Closing, Situation::LastAck]);
}

#[test]
fn rfc9293_3_10_7_4_every_segment_in_time_wait() {
    all(&[Situation::TimeWait, Situation::TimeWaitAndListen]);
}
