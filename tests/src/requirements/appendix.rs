//! The requirements that RFC 9293 numbers, as its Appendix B lists them.

/// The RFC that numbers what it asks.
pub(super) const RFC: u16 = 9293;

/// How many ids there are of each kind: 119 in all.
const IDS: [(&str, u8); 4] = [("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)];

/// What may be waived: source routes, which hosts and routers have refused for decades (RFC 7126 §4.3).
pub(super) const MAY_BE_WAIVED: [&str; 4] = ["MUST-51", "MUST-52", "MUST-53", "SHLD-24"];

/// What the appendix asks of applications.
pub(super) const OF_APPLICATIONS: [&str; 2] = ["SHLD-13", "SHLD-23"];

/// Every id of the appendix.
pub(super) fn ids() -> impl Iterator<Item = String> {
    IDS.into_iter().flat_map(|(kind, last)| (1..=last).map(move |number| format!("{kind}-{number}")))
}
