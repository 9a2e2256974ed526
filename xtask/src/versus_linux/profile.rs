//! Where a guest's instructions were: its blocks by the functions of its image.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

use super::counter::Block;
use crate::failure::Failure;
use crate::install::{self, Tool};

/// The functions of an image by their addresses.
#[derive(Debug, Default)]
pub(super) struct Symbols(BTreeMap<u64, String>);

impl Symbols {
    /// Those of an ELF file.
    ///
    /// # Errors
    /// [`Failure::Missing`] without binutils, [`Failure::File`] when it has none.
    pub(super) fn of(image: &Path) -> Result<Symbols, Failure> {
        let nm = install::tool(Tool { program: "nm", package: "binutils" })?;
        let output = Command::new(nm).args(["-C", "--defined-only"]).arg(image).output();
        let output = output.map_err(|error| Failure::Missing(format!("nm did not start: {error}")))?;
        let symbols = Symbols::read(&String::from_utf8_lossy(&output.stdout));
        if symbols.0.is_empty() {
            return Err(Failure::File(format!("{} has no symbols", image.display())));
        }
        Ok(symbols)
    }

    fn read(listing: &str) -> Symbols {
        let lines = listing.lines().filter_map(|line| {
            let (address, rest) = line.split_once(' ')?;
            let (kind, name) = rest.split_once(' ')?;
            let is_code = matches!(kind, "t" | "T" | "w" | "W");
            is_code.then_some(())?;
            Some((u64::from_str_radix(address, 16).ok()?, name.to_owned()))
        });
        Symbols(lines.collect())
    }

    /// Where the function begins that has this address, and its name.
    fn function(&self, address: u64) -> (u64, &str) {
        let before = self.0.range(..=address).next_back();
        before.map_or((0, "outside of the image"), |(start, name)| (*start, name))
    }

    /// The functions with the most instructions between two looks, `most` of them: instructions, and how often they were
    /// called, both divided by `units`.
    pub(super) fn table(&self, before: &[Block], after: &[Block], units: f64, most: usize) -> String {
        let mut sums: HashMap<&str, (u64, u64)> = HashMap::new();
        for (index, block) in after.iter().enumerate() {
            let times = block.times - before.get(index).map_or(0, |block| block.times);
            let (start, name) = self.function(block.address);
            let (instructions, calls) = sums.entry(name).or_default();
            *instructions += times * block.instructions;
            *calls += if block.address == start { times } else { 0 };
        }
        let mut sums: Vec<(&str, (u64, u64))> = sums.into_iter().filter(|(_, sum)| sum.0 > 0).collect();
        sums.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
        let line = |(name, (instructions, calls)): &(&str, (u64, u64))| {
            format!("{:12.3} {:9.3}  {name}\n", *instructions as f64 / units, *calls as f64 / units)
        };
        sums.iter().take(most).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_given_to_the_function_before_them() {
        let symbols =
            Symbols::read("0000000000000010 T first::one\n0000000000000020 t second\n0000000000000024 d data\n");
        let block = |address, instructions, times| Block { address, instructions, times };
        let before = [block(0x10, 4, 1)];
        let after = [block(0x10, 4, 3), block(0x18, 2, 2), block(0x28, 5, 10), block(0x8, 1, 2), block(0x20, 9, 0)];
        let table = symbols.table(&before, &after, 2.0, 9);
        let lines: Vec<&str> = table.lines().map(str::trim).collect();
        let expected =
            ["25.000     0.000  second", "6.000     1.000  first::one", "1.000     0.000  outside of the image"];
        assert_eq!(lines, expected);
        assert_eq!(symbols.table(&before, &after, 2.0, 1).lines().count(), 1);
    }
}
