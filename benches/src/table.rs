//! Markdown tables.

/// Rows of cells under headings.
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub fn new(title: impl Into<String>, headings: &[&str]) -> Table {
        let headings = headings.iter().map(|it| (*it).to_owned()).collect();
        Table { title: title.into(), rows: vec![headings] }
    }

    /// Adds a row, with a cell for each heading.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it on standard output.
    pub fn print(&self) {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let widths = self.rows.iter().filter_map(|row| row.get(column));
            widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        println!("### {}\n", self.title);
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |"));
            println!("|{}", cells.collect::<String>());
            if index == 0 {
                let rule = widths.iter().map(|width| format!(" {} |", "-".repeat(*width)));
                println!("|{}", rule.collect::<String>());
            }
        }
        println!();
    }
}
