/// Finds the name that somebody meant.
enum Nearest {
    /// `; did you mean X?`, or nothing where no name is near.
    static func hint(_ name: String, among known: [String]) -> String {
        let nearest = known.map { ($0, distance(name, $0)) }.min { $0.1 < $1.1 }
        guard let (candidate, distance) = nearest, distance <= max(2, name.count / 3) else {
            return ""
        }
        return "; did you mean \(candidate)?"
    }

    /// How many characters must be put in, taken out or changed (Levenshtein 1966).
    static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (index, character) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let changed = diagonal + (right[column] == character ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(changed, row[column] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
