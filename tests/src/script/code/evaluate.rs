//! Running statements: values, operators, and what names stand for.

use std::fmt;

use super::State;
use super::parse::{Expression, Statement};
use crate::script::constants;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::script) enum Value {
    Integer(i128),
    Float(f64),
    Text(String),
    Truth(bool),
    List(Vec<Value>),
    Nothing,
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(out, "{number}"),
            Self::Float(number) => write!(out, "{number}"),
            Self::Text(text) => out.write_str(text),
            Self::Truth(true) => out.write_str("True"),
            Self::Truth(false) => out.write_str("False"),
            Self::List(items) => {
                write!(out, "({})", items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            Self::Nothing => out.write_str("None"),
        }
    }
}

impl Value {
    fn is_true(&self) -> bool {
        match self {
            Self::Integer(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Truth(truth) => *truth,
            Self::List(items) => !items.is_empty(),
            Self::Nothing => false,
        }
    }

    /// Truth counts as a number, as in Python.
    fn integer(&self) -> Option<i128> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Truth(truth) => Some(i128::from(*truth)),
            Self::Float(_) | Self::Text(_) | Self::List(_) | Self::Nothing => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            other => other.integer().map(|number| number as f64),
        }
    }
}

type Evaluated = Result<Value, String>;

struct Context<'a> {
    state: &'a mut State,
    known: &'a [(&'static str, i64)],
}

pub(super) fn run(program: &[Statement], state: &mut State, known: &[(&'static str, i64)]) -> Result<(), String> {
    Context { state, known }.run(program)
}

impl Context<'_> {
    fn run(&mut self, statements: &[Statement]) -> Result<(), String> {
        for statement in statements {
            self.statement(statement)?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), String> {
        match statement {
            Statement::Pass => Ok(()),
            Statement::Evaluate(expression) => self.value(expression).map(drop),
            Statement::Print(items) => {
                let words: Result<Vec<_>, _> =
                    items.iter().map(|item| Ok::<_, String>(self.value(item)?.to_string())).collect();
                self.state.printed.push(words?.join(" "));
                Ok(())
            }
            Statement::Assign(name, operator, expression) => {
                let mut value = self.value(expression)?;
                if let Some(operator) = operator {
                    value = binary(operator, self.name(name)?, value)?;
                }
                self.state.variables.insert(name.clone(), value);
                Ok(())
            }
            Statement::If(condition, then, otherwise) => {
                let branch = if self.value(condition)?.is_true() { then } else { otherwise };
                self.run(branch)
            }
            Statement::Assert(condition, written, message) => {
                if self.value(condition)?.is_true() {
                    return Ok(());
                }
                let said = match message {
                    Some(message) => format!(": {}", self.value(message)?),
                    None => String::new(),
                };
                Err(format!("the assertion `{written}` fails{said}"))
            }
        }
    }

    fn name(&self, name: &str) -> Evaluated {
        match name {
            "True" => return Ok(Value::Truth(true)),
            "False" => return Ok(Value::Truth(false)),
            "None" => return Ok(Value::Nothing),
            _ => {}
        }
        if let Some((_, value)) = self.known.iter().find(|(known, _)| *known == name) {
            return Ok(Value::Integer(i128::from(*value)));
        }
        if let Some(value) = self.state.variables.get(name) {
            return Ok(value.clone());
        }
        match constants::value(name) {
            Some(value) => Ok(Value::Integer(i128::from(value))),
            None if name.starts_with("tcpi_") && self.known.is_empty() => {
                Err(format!("there is no connection to ask for {name}"))
            }
            None if name.starts_with("tcpi_") => Err(format!("{name}: not supported by the stack")),
            None => Err(format!("`{name}` is not defined")),
        }
    }

    fn value(&self, expression: &Expression) -> Evaluated {
        match expression {
            Expression::Integer(number) => Ok(Value::Integer(*number)),
            Expression::Float(number) => Ok(Value::Float(*number)),
            Expression::Text(text) => Ok(Value::Text(text.clone())),
            Expression::Name(name) => self.name(name),
            Expression::List(items) => {
                items.iter().map(|item| self.value(item)).collect::<Result<_, _>>().map(Value::List)
            }
            Expression::Unary(sign, inner) => unary(sign, self.value(inner)?),
            Expression::Binary(sign, left, right) => binary(sign, self.value(left)?, self.value(right)?),
            Expression::And(left, right) => {
                let left = self.value(left)?;
                if left.is_true() { self.value(right) } else { Ok(left) }
            }
            Expression::Or(left, right) => {
                let left = self.value(left)?;
                if left.is_true() { Ok(left) } else { self.value(right) }
            }
            Expression::Choice(condition, then, otherwise) => {
                self.value(if self.value(condition)?.is_true() { then } else { otherwise })
            }
            Expression::Chain(first, rest) => {
                let mut left = self.value(first)?;
                for (sign, right) in rest {
                    let right = self.value(right)?;
                    if !compare(sign, &left, &right)? {
                        return Ok(Value::Truth(false));
                    }
                    left = right;
                }
                Ok(Value::Truth(true))
            }
            Expression::Method(target, name, arguments) => {
                let target = self.value(target)?;
                let values: Result<Vec<_>, _> = arguments.iter().map(|argument| self.value(argument)).collect();
                match (target, name.as_str()) {
                    (Value::Text(text), "format") => Ok(Value::Text(fill(&text, &values?))),
                    (target, name) => Err(format!("{target} has no `{name}` here")),
                }
            }
            Expression::Call(name, arguments) => {
                let values: Result<Vec<_>, _> = arguments.iter().map(|argument| self.value(argument)).collect();
                call(name, &values?)
            }
        }
    }
}

fn unary(sign: &str, value: Value) -> Evaluated {
    match (sign, &value, value.integer()) {
        ("not", value, _) => Ok(Value::Truth(!value.is_true())),
        ("-", _, Some(number)) => Ok(Value::Integer(-number)),
        ("+", _, Some(number)) => Ok(Value::Integer(number)),
        ("~", _, Some(number)) => Ok(Value::Integer(!number)),
        ("-", Value::Float(number), _) => Ok(Value::Float(-number)),
        ("+", Value::Float(number), _) => Ok(Value::Float(*number)),
        (_, value, _) => Err(format!("`{sign}` does not go with {value}")),
    }
}

fn binary(sign: &str, left: Value, right: Value) -> Evaluated {
    if let Value::Text(text) = &left {
        return match (sign, right) {
            ("+", Value::Text(more)) => Ok(Value::Text(format!("{text}{more}"))),
            ("%", Value::List(items)) => Ok(Value::Text(format(text, &items))),
            ("%", item) => Ok(Value::Text(format(text, &[item]))),
            (_, right) => Err(format!("`{sign}` does not go with a text and {right}")),
        };
    }
    if let (Some(a), Some(b)) = (left.integer(), right.integer()) {
        let shift = u32::try_from(b).unwrap_or(u32::MAX);
        let value = match sign {
            "+" => a.checked_add(b),
            "-" => a.checked_sub(b),
            "*" => a.checked_mul(b),
            "//" => a.checked_div_euclid(b),
            "%" => a.checked_rem_euclid(b),
            "**" => a.checked_pow(shift),
            "|" => Some(a | b),
            "&" => Some(a & b),
            "^" => Some(a ^ b),
            "<<" => a.checked_shl(shift),
            ">>" => a.checked_shr(shift),
            "/" if b != 0 => return Ok(Value::Float(a as f64 / b as f64)),
            _ => None,
        };
        return value.map(Value::Integer).ok_or_else(|| format!("{a} {sign} {b} has no value"));
    }
    let (Some(a), Some(b)) = (left.float(), right.float()) else {
        return Err(format!("`{sign}` does not go with {left} and {right}"));
    };
    match sign {
        "+" => Ok(Value::Float(a + b)),
        "-" => Ok(Value::Float(a - b)),
        "*" => Ok(Value::Float(a * b)),
        "/" => Ok(Value::Float(a / b)),
        "//" => Ok(Value::Float((a / b).floor())),
        "%" => Ok(Value::Float(a.rem_euclid(b))),
        "**" => Ok(Value::Float(a.powf(b))),
        _ => Err(format!("`{sign}` does not go with {left} and {right}")),
    }
}

fn compare(sign: &str, left: &Value, right: &Value) -> Result<bool, String> {
    if sign == "in" {
        let Value::List(items) = right else { return Err("`in` needs a list".into()) };
        return Ok(items.iter().any(|item| compare("==", left, item) == Ok(true)));
    }
    let order = match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (a, b) => match (a.integer(), b.integer()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            (_, _) => a.float().zip(b.float()).and_then(|(a, b)| a.partial_cmp(&b)),
        },
    };
    match (sign, order) {
        ("==", None) => Ok(left == right),
        ("!=", None) => Ok(left != right),
        ("==", Some(order)) => Ok(order.is_eq()),
        ("!=", Some(order)) => Ok(order.is_ne()),
        ("<", Some(order)) => Ok(order.is_lt()),
        ("<=", Some(order)) => Ok(order.is_le()),
        (">", Some(order)) => Ok(order.is_gt()),
        (">=", Some(order)) => Ok(order.is_ge()),
        (_, _) => Err(format!("{left} and {right} have no order")),
    }
}

fn call(name: &str, values: &[Value]) -> Evaluated {
    let bad = || format!("`{name}` does not go with these arguments");
    let best = |sign: &str| {
        let items = if let [Value::List(items)] = values { items.as_slice() } else { values };
        let mut items = items.iter();
        let mut best = items.next().ok_or_else(bad)?;
        for item in items {
            if compare(sign, item, best)? {
                best = item;
            }
        }
        Ok(best.clone())
    };
    match (name, values) {
        ("min", _) => best("<"),
        ("max", _) => best(">"),
        ("abs", [value]) if value.integer().is_some() => Ok(Value::Integer(value.integer().ok_or_else(bad)?.abs())),
        ("abs", [value]) => Ok(Value::Float(value.float().ok_or_else(bad)?.abs())),
        ("int", [Value::Float(number)]) => Ok(Value::Integer(number.trunc() as i128)),
        ("int", [value]) => value.integer().map(Value::Integer).ok_or_else(bad),
        ("float", [value]) => value.float().map(Value::Float).ok_or_else(bad),
        ("round", [value]) => value.float().map(|number| Value::Integer(number.round() as i128)).ok_or_else(bad),
        ("len", [Value::List(items)]) => Ok(Value::Integer(items.len() as i128)),
        ("str", [value]) => Ok(Value::Text(value.to_string())),
        (_, _) => Err(format!("the function `{name}` is not known here")),
    }
}

/// `'%d of %s' % (1, 2)`
fn format(text: &str, items: &[Value]) -> String {
    let mut items = items.iter();
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(it) = chars.next() {
        if it != '%' {
            out.push(it);
            continue;
        }
        // Width and precision are taste.
        match chars.find(|it| it.is_ascii_alphabetic() || *it == '%') {
            Some('%') | None => out.push('%'),
            Some(_) => out += &items.next().map_or(String::new(), ToString::to_string),
        }
    }
    out
}

/// `'{} of {1:d}'.format(1, 2)`
fn fill(text: &str, items: &[Value]) -> String {
    let mut next = 0;
    let mut out = String::new();
    let mut pieces = text.split('{');
    out += pieces.next().unwrap_or("");
    for piece in pieces {
        let (inside, rest) = piece.split_once('}').unwrap_or(("", piece));
        let place = inside.split(':').next().unwrap_or("").parse().unwrap_or(next);
        next = place + 1;
        out += &items.get(place).map_or(String::new(), ToString::to_string);
        out += rest;
    }
    out
}
