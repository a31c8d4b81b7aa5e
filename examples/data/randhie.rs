//! Turns the RAND Health Insurance Experiment table of statsmodels into `randhie.parquet` and `randhie.schema.json`.
//!
//! ```text
//! cargo run --example randhie -- randhie.csv examples/data
//! ```
//!
//! README.md beside this file says where the CSV comes from. Its bytes are checked, all its columns are kept and none is
//! added.

use std::{error::Error, fs, path::Path};

use sealock::{
    Digest,
    asset::{Column, Schema, Table},
};

/// SHA-256 of `statsmodels/datasets/randhie/randhie.csv` in statsmodels 0.15.0.
const SOURCE: &str = "9f6c87d05aef087a82cc4465310c8cd3f38327be6eafa43bd81fb98c4f3d088c";

/// The columns as they stand in the file, with their exact ranges.
fn schema() -> Result<Schema, Box<dyn Error>> {
    let dummy = |name: &str, text: &str| Column::integer(name, 0, 1).dimension().describe(text);
    Ok(Schema::new(vec![
        Column::integer("mdvis", 0, 77).measure().describe("outpatient visits to a doctor in the year"),
        Column::decimal_between("lncoins", 6, "0", "4.61512")?
            .dimension()
            .bins_at(["0", "3", "4", "4.61512"])?
            .describe("ln(coinsurance + 1): 0 is free care, below 4 is 25 or 50 %, above is 95 or 100 %"),
        dummy("idp", "1 for an individual deductible plan"),
        Column::decimal_between("lpi", 6, "0", "7.163699")?
            .measure()
            .describe("ln(max(1, annual participation incentive payment))"),
        Column::decimal_between("fmde", 6, "0", "8.294049")?
            .measure()
            .describe("ln(max(1, maximum expenditure / (0.01 coinsurance))), 0 where idp is 1"),
        Column::decimal_between("physlm", 7, "0", "1")?
            .dimension()
            .bins_at(["0", "0.01", "1"])?
            .describe("1 for a physical limitation; the source does not explain the values between"),
        Column::decimal_between("disea", 6, "0", "58.6")?
            .dimension()
            .measure()
            .bins_at(["0", "10", "20", "58.6"])?
            .describe("number of chronic diseases; most values are not whole"),
        dummy("hlthg", "1 for good self-rated health"),
        dummy("hlthf", "1 for fair self-rated health"),
        dummy("hlthp", "1 for poor self-rated health; excellent where all three are 0"),
    ])?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, folder] = &arguments[..] else {
        return Err("usage: randhie <randhie.csv> <folder>".into());
    };
    let csv = fs::read(source)?;
    let digest = Digest::sha256(&csv);
    if digest.to_string() != SOURCE {
        return Err(format!("{source} has SHA-256 {digest}, expected {SOURCE}").into());
    }
    let table = Table::from_csv(schema()?, &csv[..])?;
    let parquet = table.to_parquet()?;
    let folder = Path::new(folder);
    fs::write(folder.join("randhie.parquet"), &parquet)?;
    fs::write(folder.join("randhie.schema.json"), serde_json::to_string_pretty(table.schema())? + "\n")?;
    println!("{table:?}, {} bytes, SHA-256 {}", parquet.len(), Digest::sha256(&parquet));
    print!("{}", table.schema());
    Ok(())
}
