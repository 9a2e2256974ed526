//! Control messages of `recvmsg`. There is one: TCP_CM_INQ, what more there is to read, where TCP_INQ is set.

use super::ast::Expression;
use super::constants::number;
use super::print;
use super::run::Run;
use super::sockets::Value;

/// The messages that a script expects: the number in each TCP_CM_INQ.
///
/// # Errors
/// Which message is another one.
pub(super) fn expected(control: Option<&Expression>) -> Result<Vec<i64>, String> {
    let Some(control) = control else { return Ok(Vec::new()) };
    let Expression::List(messages) = control else { return Err("msg_control needs [{cmsg_level=, …}]".into()) };
    messages.iter().map(more_to_read).collect()
}

fn more_to_read(message: &Expression) -> Result<i64, String> {
    let Expression::Record(fields) = message else {
        return Err(format!("{} is no control message", print::expression(message)));
    };
    let field = |name: &str| fields.iter().find(|(it, _)| it == name).map(|(_, value)| value);
    match (field("cmsg_type"), field("cmsg_data")) {
        (Some(Expression::Word(kind)), Some(data)) if kind == "TCP_CM_INQ" => number(data),
        (Some(kind), _) => Err(format!("the control message {}: not supported by the stack", print::expression(kind))),
        (None, _) => Err("a control message has cmsg_type".into()),
    }
}

impl Run<'_> {
    /// Whether `recvmsg` brought the control messages that are wanted, after it took its bytes.
    pub(super) fn check_control(&mut self, place: i64, wanted: &[i64]) -> Result<(), String> {
        let Some(descriptor) = self.descriptors.get(&place) else { return Ok(()) };
        let is_asked = matches!(descriptor.options.get("TCP_INQ"), Some(Value::Number(number)) if *number != 0);
        let Some(handle) = descriptor.stream().filter(|_| is_asked) else {
            return if wanted.is_empty() { Ok(()) } else { Err("recvmsg gives no control message".into()) };
        };
        // As on Linux, the end counts as a byte where nothing else is left.
        let is = match self.world.stack.unread(handle) as i64 {
            0 => i64::from(self.has_ended(handle)),
            bytes => bytes,
        };
        match wanted {
            [] => Ok(()),
            [wanted] if *wanted == is => Ok(()),
            [wanted] => Err(format!("recvmsg gives TCP_CM_INQ {is}, not {wanted}")),
            [_, _, ..] => Err("recvmsg gives one control message".into()),
        }
    }
}
