//! Rows as Parquet: typed columns in groups of rows.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "kinds of cells and of others' errors that all mean the same here"
)]

use std::io::{self, Write};
use std::sync::Arc;

use cachewright::adapter::store::{COLUMNS, Cell, Kind, Row};
use cachewright::error::Error;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::exit::Failure;

/// Rows held at once.
const GROUP: usize = 20_000;

/// A file being written.
pub(super) struct Parquet<W: Write + Send> {
    file: SerializedFileWriter<W>,
    ids: Vec<ByteArray>,
    /// By column.
    cells: Vec<Vec<Cell>>,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn begin(to: W) -> Result<Self, Failure> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let schema = Arc::new(schema().map_err(failed)?);
        let properties = Arc::new(properties.build());
        Ok(Self {
            file: SerializedFileWriter::new(to, schema, properties).map_err(failed)?,
            ids: Vec::new(),
            cells: vec![Vec::new(); COLUMNS.len()],
        })
    }

    pub(super) fn add(&mut self, row: &Row) -> Result<(), Failure> {
        self.ids.push(row.record.id.to_string().as_str().into());
        for (column, cell) in self.cells.iter_mut().zip(row.cells()) {
            column.push(cell);
        }
        if self.ids.len() >= GROUP {
            self.group().map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn close(mut self) -> Result<(), Failure> {
        if !self.ids.is_empty() {
            self.group().map_err(failed)?;
        }
        self.file.close().map(drop).map_err(failed)
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        if let Some(mut column) = group.next_column()? {
            if let ColumnWriter::ByteArrayColumnWriter(writer) = column.untyped() {
                writer.write_batch(&self.ids, None, None)?;
            }
            column.close()?;
        }
        self.ids.clear();
        for (of, cells) in COLUMNS.iter().zip(&mut self.cells) {
            let Some(mut column) = group.next_column()? else {
                break;
            };
            let levels: Vec<i16> = cells
                .iter()
                .map(|cell| i16::from(*cell != Cell::Absent))
                .collect();
            write(&mut column, cells, of.optional.then_some(&levels[..]))?;
            column.close()?;
            cells.clear();
        }
        group.close().map(drop)
    }
}

/// The values that are there, and where they are.
fn write(
    column: &mut SerializedColumnWriter<'_>,
    cells: &[Cell],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let numbers = cells.iter().filter_map(|cell| match cell {
        Cell::Integer(number) => Some(*number),
        _ => None,
    });
    match column.untyped() {
        ColumnWriter::Int64ColumnWriter(writer) => {
            let values: Vec<i64> = numbers.collect();
            writer.write_batch(&values, levels, None).map(drop)
        }
        ColumnWriter::BoolColumnWriter(writer) => {
            let values: Vec<bool> = numbers.map(|number| number != 0).collect();
            writer.write_batch(&values, levels, None).map(drop)
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let texts = cells.iter().filter_map(|cell| match cell {
                Cell::Text(text) => Some(ByteArray::from(&**text)),
                Cell::Digest(digest) => Some(digest.to_string().as_str().into()),
                _ => None,
            });
            let values: Vec<ByteArray> = texts.collect();
            writer.write_batch(&values, levels, None).map(drop)
        }
        _ => Err(ParquetError::General("a column of another type".into())),
    }
}

fn schema() -> Result<Type, ParquetError> {
    let mut fields = vec![field("id", Kind::Text, Repetition::REQUIRED)?];
    for column in COLUMNS {
        let repetition = if column.optional {
            Repetition::OPTIONAL
        } else {
            Repetition::REQUIRED
        };
        fields.push(field(column.name, column.kind, repetition)?);
    }
    Type::group_type_builder("exchanges")
        .with_fields(fields)
        .build()
}

fn field(name: &str, kind: Kind, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    let time = LogicalType::timestamp(true, TimeUnit::MICROS);
    let (physical, logical) = match kind {
        Kind::Time => (Physical::INT64, Some(time)),
        Kind::Flag => (Physical::BOOLEAN, None),
        Kind::Text | Kind::Digest => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        _ => (Physical::INT64, None),
    };
    let field = Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical);
    field.build().map(Arc::new)
}

/// A reader that goes away is no failure of ours.
fn failed(error: ParquetError) -> Failure {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => (*error).into(),
            Err(source) => Error::io("cannot write Parquet").caused_by(source).into(),
        },
        error => Error::io(format!("cannot write Parquet: {error}")).into(),
    }
}
