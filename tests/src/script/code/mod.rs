//! The language between `%{` and `}%`: as much of Python as scripts use to look at `tcp_info`.
//!
//! Statements: `assert`, `print`, assignment (also with an operator), `if`, `pass`. Expressions: numbers, text,
//! comparisons in chains, `and or not in`, arithmetic, bits, `a if b else c`, `abs min max int float round len str`, `text.format()`.
//! Variables live from one `%{ … }%` to the next. Left out: loops, functions, imports, attributes.

mod evaluate;
mod parse;
mod token;

use std::collections::BTreeMap;

pub(super) use evaluate::Value;

/// Why code failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It cannot be read.
    Syntax(String),
    /// An assertion does not hold, or something cannot be evaluated.
    Run(String),
}

/// The variables of a script, and what it printed.
#[derive(Debug, Default)]
pub(super) struct State {
    variables: BTreeMap<String, Value>,
    pub(super) printed: Vec<String>,
}

impl State {
    /// Runs `text`. `known` are the fields of `tcp_info` as they stand now.
    pub(super) fn run(&mut self, text: &str, known: &[(&'static str, i64)]) -> Result<(), Failed> {
        let tokens = token::tokens(text).map_err(Failed::Syntax)?;
        let program = parse::program(&tokens).map_err(Failed::Syntax)?;
        evaluate::run(&program, self, known).map_err(Failed::Run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Vec<String>, Failed> {
        let mut state = State::default();
        state.run(text, &[("tcpi_snd_cwnd", 10), ("tcpi_rtt", 100_000)])?;
        Ok(state.printed)
    }

    #[test]
    fn assertions_hold_or_fail_with_their_message() {
        assert_eq!(run("assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd"), Ok(vec![]));
        assert_eq!(run("assert 95*1000 <= tcpi_rtt <= 105*1000 and not tcpi_rtt == 1"), Ok(vec![]));
        let failed = run("assert tcpi_snd_cwnd == 9, 'cwnd=%d' % tcpi_snd_cwnd");
        assert_eq!(failed, Err(Failed::Run("the assertion `tcpi_snd_cwnd == 9` fails: cwnd=10".into())));
        let unknown = run("assert tcpi_sacked == 0");
        assert_eq!(unknown, Err(Failed::Run("tcpi_sacked: not supported by the stack".into())));
    }

    #[test]
    fn variables_blocks_and_print_work() {
        let text = "a = 3; a += 4\nif a > 6 and (TCPI_OPT_SACK | 1) == 3:\n    print('big', a)\n    a = a ** 2 // 10\n\
                    elif a:\n    assert False\nelse:\n    pass\nprint(a, a if a < 0 else -a, 7 % 4, 1 << 3, max(1, 2.5))";
        assert_eq!(run(text), Ok(vec!["big 7".into(), "4 -4 3 8 2.5".into()]));
        assert_eq!(run("print '{} {1:>3}'.format(1, a if False else 2), 3"), Ok(vec!["1 2 3".into()]));
        assert!(matches!(run("for x in y: pass"), Err(Failed::Syntax(_))));
        assert!(matches!(run("assert (1"), Err(Failed::Syntax(_))));
    }
}
