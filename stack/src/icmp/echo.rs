//! Answering echoes (RFC 1122 §3.2.2.6, RFC 4443 §4.2): the payload goes back as it came, in the same memory.

use lendwire_nic::Work;
use zerocopy::IntoBytes;

use crate::drops::Reason;
use crate::ip::{self, BadChecksum, Datagram, Envelope, Ip, Message, Precedence};
use crate::wire::icmp::{CHECKSUM_OFFSET, HEADER_LEN, Header};

/// Queues the reply to an echo request.
pub(super) fn answer(
    datagram: Datagram,
    request: Header,
    kind: u8,
    ip: &mut Ip<'_>,
    work: &mut Work,
) -> Result<(), Reason> {
    // RFC 1122 §3.2.2.6 lets a host ignore echoes to a broadcast address: answering them is how floods are made.
    if !datagram.is_unicast() || datagram.source.is_unspecified() {
        return Err(Reason::IcmpBroadcastEcho);
    }
    let (interface, traffic_class) = (datagram.interface, datagram.traffic_class);
    let envelope = Envelope {
        traffic_class,
        interface: Some(interface),
        ..Envelope::new(datagram.destination, datagram.source, datagram.protocol, Some(CHECKSUM_OFFSET))
    };
    let payload = datagram.into_payload(HEADER_LEN, work).map_err(|BadChecksum| Reason::IcmpChecksum)?;
    let header = ip::Header::of(&[Header::new(kind, 0, request.rest).as_bytes()]);
    ip.queue(interface, Message::Packet { envelope, header, payload: Some(payload) }, Precedence::Courtesy);
    Ok(())
}
