//! Tokens into statements, by Python's precedence.

use super::token::Token;

/// A statement.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    /// The condition, its text, and the message.
    Assert(Expression, String, Option<Expression>),
    Print(Vec<Expression>),
    /// The name, the operator in front of `=`, the value.
    Assign(String, Option<&'static str>, Expression),
    If(Expression, Vec<Statement>, Vec<Statement>),
    Evaluate(Expression),
    Pass,
}

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Integer(i128),
    Float(f64),
    Text(String),
    Name(String),
    Unary(&'static str, Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    /// `a < b <= c`
    Chain(Box<Expression>, Vec<(&'static str, Expression)>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    /// Condition, then, else.
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
    /// `target.name(…)`
    Method(Box<Expression>, String, Vec<Expression>),
    List(Vec<Expression>),
}

type Parsed<T> = Result<T, String>;

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

/// Operators that bind from the left, loosest first.
const LEVELS: [&[&str]; 6] = [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "//", "%"]];
const COMPARISONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

/// All statements.
pub(super) fn program(tokens: &[Token]) -> Parsed<Vec<Statement>> {
    let mut parser = Parser { tokens, at: 0 };
    let mut statements = Vec::new();
    while !parser.is_at_end() {
        parser.statement(&mut statements)?;
    }
    Ok(statements)
}

impl Parser<'_> {
    fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn eats(&mut self, token: &Token) -> bool {
        let eats = self.peek() == Some(token);
        self.at += usize::from(eats);
        eats
    }

    fn eats_sign(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        let sign = signs.iter().find(|sign| self.peek() == Some(&Token::Sign(sign)))?;
        self.at += 1;
        Some(sign)
    }

    fn eats_name(&mut self, name: &str) -> bool {
        let eats = matches!(self.peek(), Some(Token::Name(it)) if it == name);
        self.at += usize::from(eats);
        eats
    }

    fn must(&mut self, sign: &'static str) -> Parsed<()> {
        if self.eats(&Token::Sign(sign)) { Ok(()) } else { Err(format!("`{sign}` is expected{}", self.found())) }
    }

    fn found(&self) -> String {
        match self.peek() {
            None | Some(Token::Line) => " before the end of the statement".into(),
            Some(_) => format!(" before `{}`", text(&self.tokens[self.at..=self.at])),
        }
    }

    fn statement(&mut self, into: &mut Vec<Statement>) -> Parsed<()> {
        if self.eats(&Token::Line) {
            return Ok(());
        }
        if self.eats_name("if") {
            into.push(self.condition()?);
            return Ok(());
        }
        into.push(self.simple()?);
        match self.peek() {
            None | Some(Token::Line | Token::Dedent) => {
                self.eats(&Token::Line);
                Ok(())
            }
            Some(_) => Err(format!("the end of a statement is expected{}", self.found())),
        }
    }

    fn simple(&mut self) -> Parsed<Statement> {
        if self.eats_name("pass") {
            return Ok(Statement::Pass);
        }
        if self.eats_name("assert") {
            let start = self.at;
            let condition = self.expression()?;
            let written = text(&self.tokens[start..self.at]);
            let message = if self.eats(&Token::Sign(",")) { Some(self.expression()?) } else { None };
            return Ok(Statement::Assert(condition, written, message));
        }
        if self.eats_name("print") {
            // Python 2 has no brackets here; `print (a), b` is of neither kind that scripts use.
            let mut items = Vec::new();
            while !matches!(self.peek(), None | Some(Token::Line | Token::Dedent)) {
                match self.expression()? {
                    Expression::List(list) => items.extend(list),
                    item => items.push(item),
                }
                if !self.eats(&Token::Sign(",")) {
                    break;
                }
            }
            return Ok(Statement::Print(items));
        }
        for word in ["for", "while", "def", "class", "import", "from", "return", "try", "with", "global", "del"] {
            if self.eats_name(word) {
                return Err(format!("`{word}` is not understood here"));
            }
        }
        if let (Some(Token::Name(name)), Some(Token::Sign(sign))) = (self.peek(), self.tokens.get(self.at + 1)) {
            let operator = sign.strip_suffix('=').filter(|_| !COMPARISONS.contains(sign));
            if let Some(operator) = operator {
                let name = name.clone();
                self.at += 2;
                return Ok(Statement::Assign(name, Some(operator).filter(|it| !it.is_empty()), self.expression()?));
            }
        }
        Ok(Statement::Evaluate(self.expression()?))
    }

    /// What follows `if` or `elif`.
    fn condition(&mut self) -> Parsed<Statement> {
        let condition = self.expression()?;
        let then = self.block()?;
        let otherwise = if self.eats_name("elif") {
            vec![self.condition()?]
        } else if self.eats_name("else") {
            self.block()?
        } else {
            Vec::new()
        };
        Ok(Statement::If(condition, then, otherwise))
    }

    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.must(":")?;
        let mut statements = Vec::new();
        if !self.eats(&Token::Line) {
            self.statement(&mut statements)?;
            return Ok(statements);
        }
        if !self.eats(&Token::Indent) {
            return Err("a block is expected behind `:`".into());
        }
        while !self.eats(&Token::Dedent) {
            if self.is_at_end() {
                break;
            }
            self.statement(&mut statements)?;
        }
        Ok(statements)
    }

    fn expression(&mut self) -> Parsed<Expression> {
        let value = self.or()?;
        if !self.eats_name("if") {
            return Ok(value);
        }
        let condition = self.or()?;
        if !self.eats_name("else") {
            return Err(format!("`else` is expected{}", self.found()));
        }
        Ok(Expression::Choice(condition.into(), value.into(), self.expression()?.into()))
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut left = self.and()?;
        while self.eats_name("or") {
            left = Expression::Or(left.into(), self.and()?.into());
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut left = self.not()?;
        while self.eats_name("and") {
            left = Expression::And(left.into(), self.not()?.into());
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expression> {
        if self.eats_name("not") {
            return Ok(Expression::Unary("not", self.not()?.into()));
        }
        let left = self.level(0)?;
        let mut rest = Vec::new();
        loop {
            let sign = match self.eats_sign(&COMPARISONS) {
                Some(sign) => sign,
                None if self.eats_name("in") => "in",
                None => break,
            };
            rest.push((sign, self.level(0)?));
        }
        Ok(if rest.is_empty() { left } else { Expression::Chain(left.into(), rest) })
    }

    fn level(&mut self, level: usize) -> Parsed<Expression> {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some(sign) = self.eats_sign(signs) {
            left = Expression::Binary(sign, left.into(), self.level(level + 1)?.into());
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expression> {
        if let Some(sign) = self.eats_sign(&["-", "+", "~"]) {
            return Ok(Expression::Unary(sign, self.unary()?.into()));
        }
        let base = self.postfix()?;
        match self.eats_sign(&["**"]) {
            Some(sign) => Ok(Expression::Binary(sign, base.into(), self.unary()?.into())),
            None => Ok(base),
        }
    }

    fn postfix(&mut self) -> Parsed<Expression> {
        let mut value = self.atom()?;
        while self.eats(&Token::Sign(".")) {
            let Some(Token::Name(name)) = self.peek().cloned() else {
                return Err(format!("a name is expected{}", self.found()));
            };
            self.at += 1;
            self.must("(")?;
            value = Expression::Method(value.into(), name, self.items(")")?);
        }
        Ok(value)
    }

    fn atom(&mut self) -> Parsed<Expression> {
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            Some(Token::Integer(number)) => Ok(Expression::Integer(number)),
            Some(Token::Float(number)) => Ok(Expression::Float(number)),
            Some(Token::Text(text)) => Ok(Expression::Text(text)),
            Some(Token::Name(name)) if self.eats(&Token::Sign("(")) => Ok(Expression::Call(name, self.items(")")?)),
            Some(Token::Name(name)) => Ok(Expression::Name(name)),
            Some(Token::Sign("[")) => Ok(Expression::List(self.items("]")?)),
            Some(Token::Sign("(")) => {
                let mut items = self.items(")")?;
                Ok(if items.len() == 1 { items.remove(0) } else { Expression::List(items) })
            }
            Some(_) | None => {
                self.at -= 1;
                Err(format!("a value is expected{}", self.found()))
            }
        }
    }

    fn items(&mut self, close: &'static str) -> Parsed<Vec<Expression>> {
        let mut items = Vec::new();
        while !self.eats(&Token::Sign(close)) {
            items.push(self.expression()?);
            if !self.eats(&Token::Sign(",")) {
                self.must(close)?;
                break;
            }
        }
        Ok(items)
    }
}

/// Tokens as people would write them.
fn text(tokens: &[Token]) -> String {
    let words = tokens.iter().map(|token| match token {
        Token::Name(name) => name.clone(),
        Token::Integer(number) => number.to_string(),
        Token::Float(number) => number.to_string(),
        Token::Text(text) => format!("'{text}'"),
        Token::Sign(sign) => (*sign).to_owned(),
        Token::Line | Token::Indent | Token::Dedent => String::new(),
    });
    words.collect::<Vec<_>>().join(" ").replace("( ", "(").replace(" )", ")")
}
