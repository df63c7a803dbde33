/// Rows and columns for a terminal: as wide as their content, numbers to the right.
struct TextTable {
    struct Column {
        var title: String
        var isNumber = false
    }

    /// A longer cell is cut.
    static let cellWidth = 44

    let columns: [Column]
    private var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// Text of others is stripped of control characters.
    mutating func add(_ cells: [String]) {
        rows.append(
            cells.map { cell in
                let harmless = cell.withoutControls
                return harmless.count > Self.cellWidth ? harmless.prefix(Self.cellWidth - 1) + "…" : harmless
            })
    }

    var text: String {
        let lines = [columns.map(\.title)] + rows
        let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { cells in
            var line = ""
            for (column, cell) in cells.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.count)
                line += (column == 0 ? "" : "  ") + (columns[column].isNumber ? space + cell : cell + space)
            }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
