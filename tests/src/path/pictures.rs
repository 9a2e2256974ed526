//! The figures of `docs/paths.md`: windows and round trips over time, who gets what, and time-sequence diagrams as
//! Stevens drew them ("TCP/IP Illustrated", volume 1, chapter 20).
//!
//! Segments, acknowledgments and their blocks are what a capture on the sender's side shows; windows are what the
//! sender says of itself.

use lendwire::tcp::Algorithm;
use lendwire::time::Span;

use super::trace::{Fate, Trace};
use super::{Demand, FlowConfig, LinkConfig, Loss, Reordering, Scenario, roomy};
use crate::plot::{Curve, Figure, Ink, Marks, Panel};

/// Bits a second of every path here.
const RATE: u64 = 20_000_000;
/// One way.
const DELAY: Span = Span::from_millis(20);
/// Bytes that a round trip carries.
const PRODUCT: u64 = 100_000;
/// The start of virtual time, in nanoseconds.
const ZERO: u64 = 1_000_000_000;

/// A figure, and the file that it goes to.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its name without a folder.
    pub file: &'static str,
    /// What it shows.
    pub figure: Figure,
}

/// Runs every path that is shown.
#[must_use]
pub fn all(seed: u64) -> Vec<Picture> {
    vec![
        Picture {
            file: "windows.svg",
            figure: windows(&run(&path(seed, 1), 60), title("20 Mbit/s, 40 ms, a queue of one round trip")),
        },
        Picture {
            file: "bufferbloat.svg",
            figure: windows(
                &run(&path(seed, 1).forward(|link| link.queue = 10 * PRODUCT), 60),
                title("20 Mbit/s, 40 ms, a queue of ten round trips"),
            ),
        },
        Picture {
            file: "random-loss.svg",
            figure: windows(
                &run(&path(seed, 1).forward(|link| link.loss = Loss::Independent(0.001)), 60),
                title("20 Mbit/s, 40 ms, one segment of a thousand lost"),
            ),
        },
        Picture {
            file: "one-loss.svg",
            figure: sequence(&run(&exactly(seed, &[60]), 2), [0.1, 0.3], title("One segment is lost")),
        },
        Picture {
            file: "burst-loss.svg",
            figure: sequence(
                &run(&exactly(seed, &[60, 61, 62, 63, 64, 65, 66, 67]), 2),
                [0.1, 0.4],
                title("Eight segments in a row are lost"),
            ),
        },
        Picture {
            file: "tail-loss.svg",
            figure: sequence(
                &run(&exactly(seed, &[28, 29]).sending(30 * 1400), 2),
                [0.1, 0.45],
                title("The last two segments are lost"),
            ),
        },
        Picture {
            file: "reordering.svg",
            figure: sequence(&run(&reordered(seed), 3), [0.9, 1.06], title("A segment of a hundred is 5 ms late")),
        },
        Picture {
            file: "bbr.svg",
            figure: windows(
                &run(&modelled(path(seed, 1), 0), 30),
                title("BBR: 20 Mbit/s, 40 ms, a queue of one round trip"),
            ),
        },
        Picture {
            file: "cubic-and-bbr.svg",
            figure: shares(
                &run(&modelled(path(seed, 2), 1), 60),
                title("CUBIC (first) and BBR (second) share 20 Mbit/s, 40 ms"),
            ),
        },
        Picture {
            file: "two-flows.svg",
            figure: shares(&run(&late(seed), 60), title("A second flow comes after 20 s, 20 Mbit/s, 40 ms")),
        },
    ]
}

fn title(text: &str) -> String {
    text.to_owned()
}

fn path(seed: u64, flows: usize) -> Scenario {
    let link = LinkConfig::new(RATE, DELAY, PRODUCT);
    let flow = FlowConfig { tcp: roomy(4 << 20), start: Span::ZERO, demand: Demand::Endless };
    Scenario { mtu: 1500, links: [link; 2], flows: vec![flow; flows], seed }
}

fn exactly(seed: u64, lost: &'static [u64]) -> Scenario {
    path(seed, 1).forward(|link| link.loss = Loss::Exactly(lost))
}

fn reordered(seed: u64) -> Scenario {
    let reordering = Reordering { share: 0.01, extra: Span::from_millis(5) };
    path(seed, 1).forward(|link| link.reordering = Some(reordering))
}

/// With BBR for the flow in place `flow`.
fn modelled(mut scenario: Scenario, flow: usize) -> Scenario {
    scenario.flows[flow].tcp.congestion = Algorithm::Bbr;
    scenario
}

fn late(seed: u64) -> Scenario {
    let mut scenario = path(seed, 2);
    scenario.flows[1].start = Span::from_secs(20);
    scenario
}

fn run(scenario: &Scenario, seconds: u64) -> Trace {
    scenario.run(|world| {
        world.trace();
        world.run_for(Span::from_secs(seconds));
        world.take_trace().expect("it was asked for")
    })
}

/// Seconds of virtual time.
fn seconds(nanos: u64) -> f64 {
    nanos.saturating_sub(ZERO) as f64 / 1e9
}

fn kilobytes(bytes: u64) -> f64 {
    bytes as f64 / 1000.0
}

/// Congestion window and threshold, and the round trip, of the first flow.
fn windows(trace: &Trace, title: String) -> Figure {
    let of = |value: &dyn Fn(&super::trace::Sample) -> Option<f64>| -> Vec<[f64; 2]> {
        let samples = trace.samples.iter().filter(|sample| sample.flow == 0);
        samples.filter_map(|sample| Some([seconds(sample.at), value(sample)?])).collect()
    };
    let window = of(&|sample| Some(kilobytes(sample.info.congestion_window.into())));
    let threshold = of(&|sample| {
        let threshold = sample.info.slow_start_threshold;
        (threshold < 1 << 30).then(|| kilobytes(threshold.into()))
    });
    let flight = of(&|sample| Some(kilobytes(sample.info.in_flight.into())));
    let smoothed = of(&|sample| Some(sample.info.rtt?.micros() as f64 / 1000.0));
    let drops = trace.sent.iter().filter(|sent| sent.fate == Fate::Dropped);
    let drops = drops.map(|sent| [seconds(sent.at), 0.0]).collect();
    Figure {
        title,
        label: "seconds",
        panels: vec![
            Panel {
                label: "kB",
                height: 240.0,
                from_zero: true,
                curves: vec![
                    Curve { name: "in flight", ink: Ink::Gray, marks: Marks::Steps(flight) },
                    Curve { name: "slow-start threshold", ink: Ink::Orange, marks: Marks::Steps(threshold) },
                    Curve { name: "congestion window", ink: Ink::Blue, marks: Marks::Steps(window) },
                    Curve { name: "segments lost", ink: Ink::Red, marks: Marks::Crosses(drops) },
                ],
            },
            Panel {
                label: "ms",
                height: 140.0,
                from_zero: true,
                curves: vec![
                    Curve { name: "round trip, measured", ink: Ink::Gray, marks: Marks::Line(round_trips(trace)) },
                    Curve { name: "round trip, smoothed", ink: Ink::Green, marks: Marks::Steps(smoothed) },
                ],
            },
        ],
    }
}

/// From a segment that was sent once to the acknowledgment that ends with it.
fn round_trips(trace: &Trace) -> Vec<[f64; 2]> {
    let mut found = Vec::new();
    let mut sent = trace.sent.iter().filter(|sent| sent.flow == 0 && !sent.again).peekable();
    for acknowledged in trace.acknowledged.iter().filter(|acknowledged| acknowledged.flow == 0) {
        let mut last = None;
        while let Some(segment) = sent.next_if(|sent| sent.seq + u64::from(sent.len) <= acknowledged.ack) {
            last = Some(segment);
        }
        let is_whole = |segment: &super::trace::Sent| segment.seq + u64::from(segment.len) == acknowledged.ack;
        if let Some(segment) = last.filter(|segment| is_whole(segment) && segment.fate != Fate::Dropped) {
            found.push([seconds(acknowledged.at), (acknowledged.at - segment.at) as f64 / 1e6]);
        }
    }
    found
}

/// Time and numbers of the first flow between two seconds of the run.
fn sequence(trace: &Trace, [from, to]: [f64; 2], title: String) -> Figure {
    let is_shown = |nanos: u64| (from..=to).contains(&seconds(nanos));
    let millis = |nanos: u64| seconds(nanos) * 1000.0;
    let segments = |wanted: &dyn Fn(&super::trace::Sent) -> bool| -> Vec<[f64; 3]> {
        let sent = trace.sent.iter().filter(|sent| sent.flow == 0 && is_shown(sent.at) && wanted(sent));
        sent.map(|sent| [millis(sent.at), kilobytes(sent.seq), kilobytes(sent.seq + u64::from(sent.len))]).collect()
    };
    let middle = |stroke: [f64; 3]| [stroke[0], f64::midpoint(stroke[1], stroke[2])];
    let lost = segments(&|sent| sent.fate == Fate::Dropped).into_iter().map(middle).collect();
    let again = segments(&|sent| sent.again).into_iter().map(middle).collect();
    let acknowledged: Vec<_> =
        trace.acknowledged.iter().filter(|acknowledged| acknowledged.flow == 0 && is_shown(acknowledged.at)).collect();
    let acks = acknowledged.iter().map(|it| [millis(it.at), kilobytes(it.ack)]).collect();
    let blocks = acknowledged.iter().flat_map(|it| it.blocks.map(|block| (it.at, block)));
    let blocks = blocks.filter(|(_, (left, right))| right > left);
    let blocks = blocks.map(|(at, (left, right))| [millis(at), kilobytes(left), kilobytes(right)]).collect();
    let highest = trace.sent.iter().filter(|sent| is_shown(sent.at)).map(|sent| sent.seq).max().unwrap_or(0);
    // A window that is far away would press the rest flat.
    let edges = acknowledged.iter().filter(|it| it.edge < highest + 50_000);
    let edges: Vec<_> = edges.map(|it| [millis(it.at), kilobytes(it.edge)]).collect();
    let mut curves = vec![
        Curve { name: "selectively acknowledged", ink: Ink::Purple, marks: Marks::Strokes(blocks) },
        Curve { name: "acknowledged", ink: Ink::Green, marks: Marks::Steps(acks) },
        Curve { name: "segment", ink: Ink::Blue, marks: Marks::Strokes(segments(&|sent| !sent.again)) },
        Curve { name: "sent again", ink: Ink::Orange, marks: Marks::Diamonds(again) },
        Curve { name: "lost", ink: Ink::Red, marks: Marks::Crosses(lost) },
    ];
    if !edges.is_empty() {
        curves.push(Curve { name: "window's edge", ink: Ink::Gray, marks: Marks::Steps(edges) });
    }
    let panel = Panel { label: "sequence number, kB", height: 400.0, from_zero: false, curves };
    Figure { title, label: "milliseconds", panels: vec![panel] }
}

/// What each of two flows gets in half a second, and their windows.
fn shares(trace: &Trace, title: String) -> Figure {
    let rate = |flow| Marks::Steps(rates(trace, flow));
    let window = |flow| {
        let samples = trace.samples.iter().filter(|sample| sample.flow == flow);
        Marks::Steps(
            samples.map(|sample| [seconds(sample.at), kilobytes(sample.info.congestion_window.into())]).collect(),
        )
    };
    Figure {
        title,
        label: "seconds",
        panels: vec![
            Panel {
                label: "Mbit/s",
                height: 200.0,
                from_zero: true,
                curves: vec![
                    Curve { name: "first flow", ink: Ink::Blue, marks: rate(0) },
                    Curve { name: "second flow", ink: Ink::Orange, marks: rate(1) },
                ],
            },
            Panel {
                label: "kB",
                height: 180.0,
                from_zero: true,
                curves: vec![
                    Curve { name: "congestion window of the first", ink: Ink::Blue, marks: window(0) },
                    Curve { name: "of the second", ink: Ink::Orange, marks: window(1) },
                ],
            },
        ],
    }
}

/// Megabits a second that were acknowledged, by half seconds.
fn rates(trace: &Trace, flow: usize) -> Vec<[f64; 2]> {
    const STEP: f64 = 0.5;
    let (mut rates, mut last, mut at_step) = (Vec::new(), 0, 0.0);
    for acknowledged in trace.acknowledged.iter().filter(|acknowledged| acknowledged.flow == flow) {
        while seconds(acknowledged.at) >= at_step + STEP {
            rates.push([at_step, (acknowledged.ack - last) as f64 * 8.0 / 1e6 / STEP]);
            (last, at_step) = (acknowledged.ack, at_step + STEP);
        }
    }
    rates
}
