//! Makes a program that shows something smaller, as long as it still shows it.
//!
//! It works on the JSON: a part is left out or made simple, and what is then no program any more is
//! not tried. So it need not know what the parts mean.

use crate::program::Program;
use anyhow::Result;
use serde_json::{Value, json};

/// The smallest program found from which nothing can be left out.
///
/// `first_that_shows` is asked with candidates, and tells which of them is the first that will do.
///
/// # Errors
///
/// Fails as `first_that_shows` does.
pub(crate) fn shrink(
    program: Program,
    mut first_that_shows: impl FnMut(&[Program]) -> Result<Option<usize>>,
) -> Result<Program> {
    let mut smallest = program;
    loop {
        let mut candidates = candidates(&smallest)?;
        match first_that_shows(&candidates)? {
            Some(at) => smallest = candidates.swap_remove(at),
            None => return Ok(smallest),
        }
    }
}

/// Programs that are a little smaller, the much smaller ones first.
fn candidates(program: &Program) -> Result<Vec<Program>> {
    let whole = serde_json::to_value(program)?;
    let mut found = Vec::new();
    if let Value::Array(steps) = &whole {
        let mut size = steps.len() / 2;
        while size > 1 {
            for from in (0..steps.len()).step_by(size) {
                let to = (from + size).min(steps.len());
                found.push(Value::Array([&steps[..from], &steps[to..]].concat()));
            }
            size /= 2;
        }
    }
    simpler(&whole, &mut |value| found.push(value));
    let programs = found.into_iter().filter_map(|value| serde_json::from_value(value).ok());
    Ok(programs.collect())
}

/// Every value that `value` becomes by making one place in it simpler.
fn simpler(value: &Value, found: &mut dyn FnMut(Value)) {
    match value {
        Value::Array(items) => {
            for at in 0..items.len() {
                let mut shorter = items.clone();
                shorter.remove(at);
                found(Value::Array(shorter));
            }
            for (at, item) in items.iter().enumerate() {
                // What lies inside an item may do alone.
                for inner in inner_lists(item) {
                    found(Value::Array([&items[..at], inner, &items[at + 1..]].concat()));
                }
                simpler(item, &mut |simple| {
                    let mut changed = items.clone();
                    changed[at] = simple;
                    found(Value::Array(changed));
                });
            }
        }
        Value::Object(fields) => {
            found(Value::Null);
            for (name, field) in fields {
                let mut put = |simple: Value| {
                    let mut changed = fields.clone();
                    changed.insert(name.clone(), simple);
                    found(Value::Object(changed));
                };
                if name == "end" && field != "pass" {
                    put(json!("pass"));
                    if field.get("return").is_none() {
                        put(json!({ "return": 0 }));
                    }
                }
                if matches!(name.as_str(), "except" | "raise") && !field.is_null() {
                    put(Value::Null);
                }
                simpler(field, &mut put);
            }
        }
        Value::Bool(true) => found(Value::Bool(false)),
        _ => {}
    }
}

/// The lists of operations in an operation.
fn inner_lists(value: &Value) -> Vec<&[Value]> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| match field {
                Value::Array(items) if name == "do" || name == "handler" => vec![&items[..]],
                other => inner_lists(other),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(inner_lists).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn nothing_that_matters_is_left_out_and_nothing_else_stays() {
        let shows = |program: &Program| {
            let text = serde_json::to_string(program).unwrap();
            text.contains("\"cancel\"") && text.contains("\"raise\":[\"f\"")
        };
        let program = (0..1000).map(|number| generate::program(3, number)).find(shows).unwrap();
        let small = shrink(program, |candidates| Ok(candidates.iter().position(shows))).unwrap();
        let text = serde_json::to_string(&small).unwrap();
        assert!(small.len() <= 2 && text.len() < 150, "{text}");
    }
}
