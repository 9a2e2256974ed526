//! The arguments of system calls: numbers, names, text, lists, and the records that stand for C's structures.

use std::net::{IpAddr, SocketAddr};

use super::ast::Expression;
use super::cursor::{Cursor, Parsed};
use super::parse::Defines;

/// An expression, and what `|` joins to it.
pub(super) fn expression(cursor: &mut Cursor<'_>, defines: &Defines) -> Parsed<Expression> {
    let first = term(cursor, defines)?;
    if !cursor.sees("|") {
        return Ok(first);
    }
    let mut terms = vec![first];
    while cursor.eats("|") {
        terms.push(term(cursor, defines)?);
    }
    Ok(Expression::Or(terms))
}

fn term(cursor: &mut Cursor<'_>, defines: &Defines) -> Parsed<Expression> {
    if cursor.eats("...") {
        return Ok(Expression::Ellipsis);
    }
    if cursor.sees_number() {
        return Ok(Expression::Integer(cursor.integer()?));
    }
    match cursor.next_char() {
        Some('"') => text(cursor),
        Some('[') => {
            cursor.must("[")?;
            Ok(Expression::List(items(cursor, "]", defines)?))
        }
        Some('{') => record(cursor, defines),
        Some('(') => {
            cursor.must("(")?;
            let inner = expression(cursor, defines)?;
            cursor.must(")")?;
            Ok(inner)
        }
        Some(it) if it.is_ascii_alphabetic() || it == '_' => name(cursor, defines),
        Some(_) | None => cursor.expected("an argument"),
    }
}

/// Strings next to each other are one.
fn text(cursor: &mut Cursor<'_>) -> Parsed<Expression> {
    let mut bytes = Vec::new();
    while cursor.sees("\"") {
        bytes.extend(cursor.string()?);
    }
    Ok(Expression::Text(bytes, cursor.eats("...")))
}

/// A constant, a defined name, or one of C's functions on addresses.
fn name(cursor: &mut Cursor<'_>, defines: &Defines) -> Parsed<Expression> {
    let word = cursor.word();
    if let Some(value) = defines.get(word) {
        return match value.parse() {
            Ok(number) => Ok(Expression::Integer(number)),
            Err(_) => Ok(Expression::Word(value.clone())),
        };
    }
    match word {
        "htons" | "htonl" => {
            cursor.must("(")?;
            let number = cursor.integer()?;
            cursor.must(")")?;
            Ok(Expression::Integer(number))
        }
        "inet_addr" | "inet6_addr" | "inet_pton" => {
            cursor.must("(")?;
            let text = cursor.string()?;
            cursor.must(")")?;
            Ok(Expression::Text(text, false))
        }
        _ => Ok(Expression::Word(word.to_owned())),
    }
}

fn items(cursor: &mut Cursor<'_>, close: &str, defines: &Defines) -> Parsed<Vec<Expression>> {
    let mut items = Vec::new();
    while !cursor.eats(close) {
        if !items.is_empty() {
            cursor.must(",")?;
        }
        items.push(expression(cursor, defines)?);
    }
    Ok(items)
}

/// `{a, b}` or `{name=value, name(…)=value}`.
fn record(cursor: &mut Cursor<'_>, defines: &Defines) -> Parsed<Expression> {
    cursor.must("{")?;
    let mut ahead = cursor.clone();
    let is_named = !ahead.word().is_empty() && (ahead.sees("=") || ahead.sees("("));
    if !is_named {
        return Ok(Expression::Tuple(items(cursor, "}", defines)?));
    }
    let mut fields = Vec::new();
    while !cursor.eats("}") {
        if !fields.is_empty() {
            cursor.must(",")?;
        }
        let name = cursor.word().to_owned();
        if name.is_empty() {
            return cursor.expected("the name of a field");
        }
        if cursor.sees("(") {
            cursor.between("(", ")")?;
        }
        cursor.must("=")?;
        fields.push((name, expression(cursor, defines)?));
    }
    address(cursor, &fields).transpose().unwrap_or(Ok(Expression::Record(fields)))
}

/// A record that is a `sockaddr`.
fn address(cursor: &mut Cursor<'_>, fields: &[(String, Expression)]) -> Parsed<Option<Expression>> {
    let field = |names: [&str; 2]| fields.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, it)| it);
    if field(["sa_family", "sa_family"]).is_none() {
        return Ok(None);
    }
    let port = match field(["sin_port", "sin6_port"]) {
        Some(Expression::Integer(port)) => u16::try_from(*port).ok(),
        Some(_) | None => None,
    };
    let host: Option<IpAddr> = match field(["sin_addr", "sin6_addr"]) {
        Some(Expression::Text(text, _)) => String::from_utf8_lossy(text).parse().ok(),
        Some(_) | None => None,
    };
    match (host, port) {
        (Some(host), Some(port)) => Ok(Some(Expression::Address(SocketAddr::new(host, port)))),
        (_, _) => cursor.error("an address has sa_family, sin_port=htons(…) and sin_addr=inet_addr(\"…\")"),
    }
}
