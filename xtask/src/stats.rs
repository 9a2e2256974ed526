//! The guest's counters as a table.

use serde_json::Value;

/// One line for each number, nested names joined by dots, the numbers right-aligned.
pub fn table(stats: &Value) -> String {
    let mut rows = Vec::new();
    flatten(String::new(), stats, &mut rows);
    let names = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let values = rows.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("    {name:names$}  {value:>values$}\n")).collect()
}

/// What a packet cost so far: kicks, interrupts, and payload bytes that were touched.
pub fn for_each_packet(stats: &Value) -> String {
    let count = |name: &str| stats[name].as_u64().unwrap_or(0);
    let frames = count("frames_sent") + count("frames_received");
    let ratio = |name: &str| count(name) as f64 / frames.max(1) as f64;
    format!(
        "{frames} frames: {:.4} kicks and {:.4} interrupts a frame; payload bytes: {} copied, {} summed, {} verified",
        ratio("kicks"),
        ratio("interrupts"),
        count("payload_bytes_copied"),
        count("payload_bytes_summed"),
        count("payload_bytes_verified"),
    )
}

fn flatten(name: String, value: &Value, rows: &mut Vec<(String, String)>) {
    let below = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(part, member)| flatten(below(part), member, rows)),
        Value::Array(members) => {
            members.iter().enumerate().for_each(|(index, member)| flatten(below(&index.to_string()), member, rows));
        }
        Value::String(text) => rows.push((name, text.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) => rows.push((name, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_counters_become_lines() {
        let stats = serde_json::json!({ "frames": { "received": 12, "sent": 3456 }, "pools": [7], "copied": 0 });
        let table = table(&stats);
        let mut lines: Vec<&str> = table.lines().collect();
        lines.sort_unstable();
        let expected = [
            "    copied              0",
            "    frames.received    12",
            "    frames.sent      3456",
            "    pools.0             7",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_packets_cost_is_a_ratio() {
        let stats =
            serde_json::json!({ "frames_sent": 30, "frames_received": 70, "kicks": 2, "payload_bytes_summed": 9 });
        let text = for_each_packet(&stats);
        assert_eq!(
            text,
            "100 frames: 0.0200 kicks and 0.0000 interrupts a frame; payload bytes: 0 copied, 9 summed, 0 verified"
        );
        assert!(for_each_packet(&serde_json::json!({})).starts_with("0 frames: 0.0000 kicks"));
    }
}
