//! Cost per byte over size, as SVG.

use super::count;
use super::data::Data;
use crate::cases::{DRAIN, Group, PAIR, Subject};
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

/// A plot of one group.
struct Plot {
    file: &'static str,
    title: &'static str,
    group: &'static Group,
    /// Whether the operation moves as many bytes as the group's number, or one.
    whole: bool,
    /// A corner without lines.
    legend: SeriesLabelPosition,
}

const PLOTS: [Plot; 2] = [
    Plot {
        file: "benchmarks-drain.svg",
        title: "Draining a full buffer by one-byte reads: cost per byte",
        group: &DRAIN,
        whole: false,
        legend: SeriesLabelPosition::UpperLeft,
    },
    Plot {
        file: "benchmarks-pair.svg",
        title: "Write and read through a buffer of that size: cost per byte",
        group: &PAIR,
        whole: true,
        legend: SeriesLabelPosition::UpperRight,
    },
];

/// The text that refers to them.
pub fn section() -> String {
    let shown = PLOTS
        .iter()
        .map(|plot| format!("![{}]({})\n", plot.title, plot.file));
    format!(
        "## Cost per byte\n\n{}",
        shown.collect::<Vec<_>>().join("\n")
    )
}

/// Draws them into files in `dir`.
pub fn draw(data: &Data, dir: &Path) -> Result<()> {
    PLOTS.iter().try_for_each(|plot| {
        let file = dir.join(plot.file);
        one(data, plot, &file).map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
    })
}

fn one(data: &Data, plot: &Plot, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let lines = [
        (Subject::Echodev, "echodev", RED),
        (Subject::Baseline, "C driver", BLUE),
        (Subject::Memcpy, "memcpy", BLACK),
    ];
    let point = |subject, value: u64| {
        let bytes = if plot.whole { value as f64 } else { 1.0 };
        (value as f64, data.get(plot.group, subject, value) / bytes)
    };
    let values = plot.group.values;
    let all: Vec<f64> = lines
        .iter()
        .flat_map(|line| values.iter().map(|&value| point(line.0, value).1))
        .collect();
    let (low, high) = all.iter().fold((f64::MAX, 0.0_f64), |(low, high), &y| {
        (low.min(y), high.max(y))
    });

    let area = SVGBackend::new(file, (800, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(plot.title, ("sans-serif", 20))
        .margin(15)
        .x_label_area_size(45)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (values[0] as f64..values[values.len() - 1] as f64)
                .log_scale()
                .base(4.0),
            (low / 2.0..high * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("size of the buffer in bytes")
        .y_desc("ns per byte")
        .x_label_formatter(&|x| count(x.round() as u64))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    for (subject, name, colour) in lines {
        let points: Vec<_> = values.iter().map(|&value| point(subject, value)).collect();
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 3, colour.filled())))?;
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(plot.legend.clone())
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
