//! TCP options between the tree and their bytes (RFC 9293 §3.2, 7323, 2018, 7413).

use super::ast::TcpOption;

/// Fast Open's number among the experimental options (RFC 6994).
const FAST_OPEN_MAGIC: [u8; 2] = [0xf9, 0x89];
const FAST_OPEN: u8 = 34;
const EXPERIMENTAL: u8 = 254;

/// Bytes of an option.
pub(super) fn length(option: &TcpOption) -> usize {
    encode(option).len()
}

/// An option's bytes. What may be anything is zero.
pub(super) fn encode(option: &TcpOption) -> Vec<u8> {
    let (kind, body) = match option {
        TcpOption::End => return vec![0],
        TcpOption::Nop => return vec![1],
        TcpOption::Mss(mss) => (2, mss.unwrap_or(0).to_be_bytes().to_vec()),
        TcpOption::Scale(shift) => (3, vec![shift.unwrap_or(0)]),
        TcpOption::SackOk => (4, Vec::new()),
        TcpOption::Sack(blocks) => {
            (5, blocks.iter().flat_map(|(left, right)| [left.to_be_bytes(), right.to_be_bytes()]).flatten().collect())
        }
        TcpOption::Timestamp(value, echo) => {
            (8, [value.unwrap_or(0).to_be_bytes(), echo.unwrap_or(0).to_be_bytes()].concat())
        }
        TcpOption::FastOpen(false, cookie) => (FAST_OPEN, cookie.clone()),
        TcpOption::FastOpen(true, cookie) => (EXPERIMENTAL, [&FAST_OPEN_MAGIC[..], cookie].concat()),
        TcpOption::Other(kind, bytes) => (*kind, bytes.clone().unwrap_or_else(|| vec![0; 16])),
    };
    [&[kind, body.len() as u8 + 2][..], &body].concat()
}

/// Reads the options of a header.
pub(super) fn decode(mut bytes: &[u8]) -> Result<Vec<TcpOption>, String> {
    let mut options = Vec::new();
    while let [kind, rest @ ..] = bytes {
        match kind {
            0 => {
                // RFC 9293 §3.1 (MUST-69): nothing but zeros stands behind the end.
                if rest.iter().any(|byte| *byte != 0) {
                    return Err("what stands behind the end of the options is not zero".into());
                }
                options.push(TcpOption::End);
                bytes = rest;
            }
            1 => {
                options.push(TcpOption::Nop);
                bytes = rest;
            }
            kind => {
                let len = rest.first().map_or(0, |len| usize::from(*len));
                let body = bytes.get(2..len).ok_or_else(|| format!("option {kind} says that it has {len} bytes"))?;
                options.push(one(*kind, body));
                bytes = &bytes[len..];
            }
        }
    }
    Ok(options)
}

fn one(kind: u8, body: &[u8]) -> TcpOption {
    let long = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().expect("four bytes"));
    match (kind, body) {
        (2, [a, b]) => TcpOption::Mss(Some(u16::from_be_bytes([*a, *b]))),
        (3, [shift]) => TcpOption::Scale(Some(*shift)),
        (4, []) => TcpOption::SackOk,
        (5, body) if body.len() % 8 == 0 => {
            TcpOption::Sack((0..body.len() / 8).map(|at| (long(8 * at), long(8 * at + 4))).collect())
        }
        (8, body) if body.len() == 8 => TcpOption::Timestamp(Some(long(0)), Some(long(4))),
        (FAST_OPEN, cookie) => TcpOption::FastOpen(false, cookie.to_vec()),
        (EXPERIMENTAL, [a, b, cookie @ ..]) if [*a, *b] == FAST_OPEN_MAGIC => {
            TcpOption::FastOpen(true, cookie.to_vec())
        }
        (kind, body) => TcpOption::Other(kind, Some(body.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_the_way_through_their_bytes() {
        let options = [
            TcpOption::Mss(Some(1460)),
            TcpOption::Nop,
            TcpOption::Scale(Some(7)),
            TcpOption::SackOk,
            TcpOption::Sack(vec![(1, 2), (3, 4)]),
            TcpOption::Timestamp(Some(5), Some(6)),
            TcpOption::FastOpen(false, vec![1, 2]),
            TcpOption::FastOpen(true, vec![3]),
            TcpOption::Other(172, Some(vec![0, 0, 1])),
            TcpOption::End,
        ];
        let bytes: Vec<u8> = options.iter().flat_map(encode).collect();
        assert_eq!(decode(&bytes), Ok(options.to_vec()));
        assert!(decode(&[2, 9, 0]).is_err());
    }

    #[test]
    fn rfc9293_must_69_the_padding_of_a_header_is_zero() {
        assert_eq!(decode(&[1, 0, 0, 0]).map(|options| options.len()), Ok(4));
        assert!(decode(&[1, 0, 0, 1]).is_err());
        assert!(decode(&[0, 1, 0, 0]).is_err());
    }
}
