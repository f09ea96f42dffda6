/// What is wrong with a CSV file, and where.
package struct CSVError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Counted from 1, in lines of the file: a quoted field may have several.
    package var line: Int
    /// The name of the column; nil where the whole line is meant.
    package var column: String?
    package var problem: String

    package init(line: Int, column: String?, problem: String) {
        self.line = line
        self.column = column
        self.problem = problem
    }

    package var description: String {
        guard let column else { return "line \(line): \(problem)" }
        return "line \(line), column \"\(column)\": \(problem)"
    }
}
