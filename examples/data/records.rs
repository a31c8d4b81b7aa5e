//! The RAND Health Insurance Experiment's records, as the insurer of the examples has them (see `examples/data/README.md`).

#![allow(dead_code, reason = "each example uses a part of it")]

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sealock::asset::{Column, Schema};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/randhie.parquet");
pub const HEALTH: [&str; 4] = ["excellent", "good", "fair", "poor"];
const COST_SHARE: [&str; 3] = ["free", "25-50%", "95-100%"];

type Any<T> = Result<T, Box<dyn Error>>;

/// The columns that the insurer publishes.
pub fn schema() -> Any<Schema> {
    Ok(Schema::new(vec![
        Column::category("health", HEALTH).dimension().describe("self-rated health at the start"),
        Column::category("cost_share", COST_SHARE).dimension().describe("share of the bill that the insured pays"),
        Column::decimal_between("chronic", 6, "0", "60")?
            .dimension()
            .bins_at(["0", "5", "10", "15", "60"])?
            .describe("index of chronic diseases"),
        Column::integer("visits", 0, 100).measure().describe("outpatient visits to a physician in a year"),
    ])?)
}

/// The experiment's records, one per person and year, in the clear: the insurer's own.
pub struct Records {
    health: Vec<&'static str>,
    cost_share: Vec<&'static str>,
    chronic: Vec<f64>,
    visits: Vec<i64>,
}

impl Records {
    /// Reads the table and turns its dummy variables and logarithms back into categories.
    pub fn read() -> Any<Self> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(DATA)?)?.build()?;
        let batches = reader.collect::<Result<Vec<_>, _>>()?;
        let all = concat_batches(&batches.first().ok_or("the table is empty")?.schema(), &batches)?;
        let column = |name: &str| -> Any<Vec<f64>> {
            let array = cast(all.column_by_name(name).ok_or(format!("no column {name}"))?, &DataType::Float64)?;
            let array = array.as_any().downcast_ref::<Float64Array>().ok_or("not a number")?;
            Ok(array.values().to_vec())
        };
        let (good, fair, poor) = (column("hlthg")?, column("hlthf")?, column("hlthp")?);
        let health = (0..all.num_rows()).map(|i| match (good[i] > 0.5, fair[i] > 0.5, poor[i] > 0.5) {
            (true, ..) => HEALTH[1],
            (_, true, _) => HEALTH[2],
            (_, _, true) => HEALTH[3],
            _ => HEALTH[0],
        });
        // ln(1 + coinsurance in percent): 0, 25 or 50, 95 or 100.
        let cost_share = column("lncoins")?.into_iter().map(|l| match l.exp() - 1.0 {
            percent if percent < 10.0 => COST_SHARE[0],
            percent if percent < 70.0 => COST_SHARE[1],
            _ => COST_SHARE[2],
        });
        Ok(Self {
            health: health.collect(),
            cost_share: cost_share.collect(),
            chronic: column("disea")?,
            visits: column("mdvis")?.into_iter().map(|v| v as i64).collect(),
        })
    }

    pub fn batch(&self) -> Any<RecordBatch> {
        let columns: [(&str, ArrayRef); 4] = [
            ("health", Arc::new(StringArray::from(self.health.clone()))),
            ("cost_share", Arc::new(StringArray::from(self.cost_share.clone()))),
            ("chronic", Arc::new(Float64Array::from(self.chronic.clone()))),
            ("visits", Arc::new(Int64Array::from(self.visits.clone()))),
        ];
        Ok(RecordBatch::try_from_iter(columns)?)
    }

    /// Sum of visits and number of records by health, straight from the rows.
    pub fn plain_answer(&self) -> [(i64, i64); 4] {
        HEALTH.map(|health| {
            let rows = (0..self.visits.len())
                .filter(|&i| self.health[i] == health && self.cost_share[i] != "free" && self.chronic[i] >= 10.0);
            rows.fold((0, 0), |(visits, people), i| (visits + self.visits[i], people + 1))
        })
    }

    pub fn health(&self, row: usize) -> &'static str {
        self.health[row]
    }

    pub fn cost_share(&self, row: usize) -> &'static str {
        self.cost_share[row]
    }

    pub fn chronic(&self, row: usize) -> f64 {
        self.chronic[row]
    }

    pub fn visits(&self, row: usize) -> i64 {
        self.visits[row]
    }

    /// Writes the table as CSV.
    pub fn write_csv(&self, path: &Path) -> Any<()> {
        let mut writer = arrow::csv::Writer::new(File::create(path)?);
        writer.write(&self.batch()?)?;
        Ok(())
    }
}
