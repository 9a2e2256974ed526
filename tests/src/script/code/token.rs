//! Text into tokens, with lines and indentation as Python has them.

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Integer(i128),
    Float(f64),
    Text(String),
    Sign(&'static str),
    /// The end of a statement.
    Line,
    /// A block begins.
    Indent,
    /// A block ends.
    Dedent,
}

/// Longer signs first, so that `<=` is not `<` and `=`.
const SIGNS: [&str; 39] = [
    "**=", "//=", "<<=", ">>=", "==", "!=", "<=", ">=", "**", "//", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "|=",
    "&=", "^=", "=", "<", ">", "+", "-", "*", "/", "%", "|", "&", "^", "~", "(", ")", "[", "]", ",", ":", ".",
];

/// Reads all of `text`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut depths = vec![None];
    let mut open = 0usize;
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        let rest = line.trim_start();
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        if open == 0 {
            indentation(line.len() - rest.len(), &mut depths, &mut tokens)?;
        }
        read_line(rest, &mut open, &mut tokens)?;
        if open == 0 {
            tokens.push(Token::Line);
        }
    }
    if open > 0 {
        return Err("a bracket is not closed".into());
    }
    tokens.extend((1..depths.len()).map(|_| Token::Dedent));
    Ok(tokens)
}

/// What the first line is indented by counts as nothing: it stands behind `%{`.
fn indentation(depth: usize, depths: &mut Vec<Option<usize>>, tokens: &mut Vec<Token>) -> Result<(), String> {
    let begins_block = tokens.iter().rev().find(|it| **it != Token::Line) == Some(&Token::Sign(":"));
    if begins_block {
        depths.push(Some(depth));
        tokens.push(Token::Indent);
        return Ok(());
    }
    while let Some(Some(current)) = depths.last()
        && depth < *current
    {
        depths.pop();
        tokens.push(Token::Dedent);
    }
    match depths.last() {
        Some(Some(current)) if depth != *current => Err("the lines of a block are not indented alike".into()),
        Some(_) | None => Ok(()),
    }
}

fn read_line(mut rest: &str, open: &mut usize, tokens: &mut Vec<Token>) -> Result<(), String> {
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '#' => return Ok(()),
            it if it.is_whitespace() => it.len_utf8(),
            ';' => {
                tokens.push(Token::Line);
                1
            }
            '"' | '\'' => {
                let len = rest[1..].find(first).ok_or("a text has no end")?;
                tokens.push(Token::Text(rest[1..=len].to_owned()));
                len + 2
            }
            it if it.is_ascii_digit() || (it == '.' && rest[1..].starts_with(|it: char| it.is_ascii_digit())) => {
                number(rest, tokens)?
            }
            it if it.is_alphabetic() || it == '_' => {
                let len = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
                tokens.push(Token::Name(rest[..len].to_owned()));
                len
            }
            it => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| format!("`{it}` is not understood"))?;
                match sign {
                    "(" | "[" => *open += 1,
                    ")" | "]" => *open = open.checked_sub(1).ok_or("a bracket was not opened")?,
                    _ => {}
                }
                tokens.push(Token::Sign(sign));
                sign.len()
            }
        };
        rest = &rest[len..];
    }
    Ok(())
}

fn number(rest: &str, tokens: &mut Vec<Token>) -> Result<usize, String> {
    let hex = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"));
    let is_part = |it: char| match hex {
        Some(_) => it.is_ascii_hexdigit(),
        None => it.is_ascii_digit() || it == '.',
    };
    let from = if hex.is_some() { 2 } else { 0 };
    let mut len = from + rest[from..].find(|it| !is_part(it)).unwrap_or(rest.len() - from);
    let digits = &rest[from..len];
    let bad = || format!("`{digits}` is no number");
    if hex.is_some() {
        tokens.push(Token::Integer(i128::from_str_radix(digits, 16).map_err(|_| bad())?));
        return Ok(len);
    }
    // 1e6
    if let Some(exponent) = rest[len..].strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let digits = exponent[sign..].find(|it: char| !it.is_ascii_digit()).unwrap_or(exponent.len() - sign);
        len += 1 + sign + digits;
        tokens.push(Token::Float(rest[..len].parse().map_err(|_| bad())?));
    } else if digits.contains('.') {
        tokens.push(Token::Float(digits.parse().map_err(|_| bad())?));
    } else {
        tokens.push(Token::Integer(digits.parse().map_err(|_| bad())?));
    }
    Ok(len)
}
