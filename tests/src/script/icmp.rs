//! The names that scripts have for ICMP's types and codes (RFC 792, RFC 1122 §3.2.2.1, RFC 4443).

use crate::setup::Version;

const V4_TYPES: &[(&str, u8)] = &[
    ("echo_reply", 0),
    ("unreachable", 3),
    ("source_quench", 4),
    ("redirect", 5),
    ("echo_request", 8),
    ("time_exceeded", 11),
    ("parameter_problem", 12),
    ("timestamp_request", 13),
    ("timestamp_reply", 14),
    ("information_request", 15),
    ("information_reply", 16),
    ("address_mask_request", 17),
    ("address_mask_reply", 18),
];

const V4_UNREACHABLE: &[(&str, u8)] = &[
    ("net_unreachable", 0),
    ("host_unreachable", 1),
    ("protocol_unreachable", 2),
    ("port_unreachable", 3),
    ("frag_needed", 4),
    ("source_route_failed", 5),
    ("net_unknown", 6),
    ("host_unknown", 7),
    ("source_host_isolated", 8),
    ("net_prohibited", 9),
    ("host_prohibited", 10),
    ("net_unreachable_for_tos", 11),
    ("host_unreachable_for_tos", 12),
    ("packet_filtered", 13),
    ("precedence_violation", 14),
    ("precedence_cutoff", 15),
];

const V6_TYPES: &[(&str, u8)] = &[
    ("unreachable", 1),
    ("packet_too_big", 2),
    ("time_exceeded", 3),
    ("parameter_problem", 4),
    ("echo_request", 128),
    ("echo_reply", 129),
    ("router_solicitation", 133),
    ("router_advertisement", 134),
    ("neighbor_solicitation", 135),
    ("neighbor_advertisement", 136),
    ("redirect", 137),
];

const V6_UNREACHABLE: &[(&str, u8)] = &[
    ("no_route", 0),
    ("admin_prohibited", 1),
    ("not_neighbour", 2),
    ("address_unreachable", 3),
    ("port_unreachable", 4),
];

const V4_TIME_EXCEEDED: &[(&str, u8)] = &[("ttl_exceeded_in_transit", 0), ("frag_reass_exceeded", 1)];

const V6_TIME_EXCEEDED: &[(&str, u8)] = &[("exceeded_hop_limit", 0), ("exceeded_frag_time", 1)];

const V6_PARAMETER: &[(&str, u8)] = &[("header_field", 0), ("unknown_next_header", 1), ("unknown_option", 2)];

/// The numbers of a type and a code.
///
/// # Errors
/// Which name is unknown.
pub(super) fn numbers(version: Version, kind: &str, code: Option<&str>) -> Result<(u8, u8), String> {
    let types = match version {
        Version::V4 => V4_TYPES,
        Version::V6 => V6_TYPES,
    };
    let number = |name: &str, table: &[(&str, u8)], prefix: &str| {
        let named = table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
        named.or_else(|| name.strip_prefix(prefix)?.parse().ok())
    };
    let Some(kind_number) = number(kind, types, "type_") else {
        return Err(format!("`{kind}` is no ICMP type of {version:?} that is known here"));
    };
    let codes = match (version, kind) {
        (Version::V4, "unreachable") => V4_UNREACHABLE,
        (Version::V6, "unreachable") => V6_UNREACHABLE,
        (Version::V6, "parameter_problem") => V6_PARAMETER,
        (Version::V4, "time_exceeded") => V4_TIME_EXCEEDED,
        (Version::V6, "time_exceeded") => V6_TIME_EXCEEDED,
        (_, _) => &[],
    };
    let Some(code) = code else { return Ok((kind_number, 0)) };
    match number(code, codes, "code_") {
        Some(code) => Ok((kind_number, code)),
        None => Err(format!("`{code}` is no code of ICMP's `{kind}` that is known here")),
    }
}
