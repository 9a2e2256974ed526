//! IP_LOCAL_PORT_RANGE, as far as a range of one port goes: the socket gets that one when it connects.

use std::net::SocketAddr;

use super::ast::Call;
use super::run::Run;
use super::sockets::Value;

impl Run<'_> {
    /// The lower half of the value is the first port of the range, the upper half the last.
    pub(super) fn bind_to_range(&mut self, call: &Call, value: &Value) -> Result<(), String> {
        let Value::Number(range) = value else { return Err("IP_LOCAL_PORT_RANGE needs a number".into()) };
        let [first, last] = [*range as u16, (*range >> 16) as u16];
        if first != last || first == 0 {
            return Err(format!("a range of ports, {first} to {last}: not supported by the stack"));
        }
        let local = SocketAddr::new(self.world.addresses.local, first);
        let (_, descriptor) = self.descriptor(call)?;
        descriptor.bound.get_or_insert(local);
        Ok(())
    }
}
