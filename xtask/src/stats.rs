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
}
