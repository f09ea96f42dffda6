/// A Swift file as the checker reads it: its code without comments and without the text of its
/// string literals (code in interpolations stays), and what it imports.
struct SwiftSource {
    struct Import: Hashable {
        let module: String
        /// The `@_spi` groups it asks for.
        let spi: [String]
    }

    let code: String
    let imports: [Import]

    init(_ text: String) {
        var blanker = Blanker(Array(text))
        code = String(blanker.code())
        imports = SwiftSource.imports(of: code)
    }

    private static func imports(of code: String) -> [Import] {
        let statement =
            /(?:^|[^.\w`])(?<prefix>(?:@[A-Za-z_]+(?:\s*\([^)]*\))?\s*|(?:public|package|internal|fileprivate|private)\s+)*)import\s+(?:(?:struct|class|enum|protocol|typealias|func|let|var)\s+)?(?<module>[A-Za-z_]\w*)/
        return code.matches(of: statement).map { match in
            let spi = match.prefix.matches(of: /@_spi\s*\(\s*(\w+)\s*\)/).map { String($0.1) }
            return Import(module: String(match.module), spi: spi)
        }
    }

    func uses(word: String) -> Bool {
        code.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.contains { $0 == word }
    }

    /// Calls of `.name(…)` whose arguments do not name a generator with `using:`.
    func usesWithoutGenerator(_ name: String) -> Bool {
        var rest = code[...]
        while let call = rest.firstRange(of: "." + name + "(") {
            rest = rest[call.upperBound...]
            if !SwiftSource.arguments(rest).contains("using:") { return true }
        }
        return false
    }

    /// What stands up to the parenthesis that closes the one before.
    private static func arguments(_ text: Substring) -> Substring {
        var depth = 1
        for index in text.indices {
            if text[index] == "(" { depth += 1 }
            if text[index] == ")" { depth -= 1 }
            if depth == 0 { return text[..<index] }
        }
        return text
    }
}

/// Walks a source once and keeps what is code.
private struct Blanker {
    private let text: [Character]
    private var place = 0
    private var kept: [Character] = []

    init(_ text: [Character]) {
        self.text = text
    }

    mutating func code() -> [Character] {
        readCode(untilClosing: false)
        return kept
    }

    private func starts(with prefix: String, at offset: Int = 0) -> Bool {
        let prefix = Array(prefix)
        let start = place + offset
        return start + prefix.count <= text.count
            && Array(text[start..<start + prefix.count]) == prefix
    }

    private mutating func readCode(untilClosing: Bool) {
        var depth = 0
        while place < text.count {
            let character = text[place]
            if starts(with: "//") {
                while place < text.count, !text[place].isNewline { place += 1 }
            } else if starts(with: "/*") {
                skipComment()
            } else if character == "\"" || (character == "#" && isRawString) {
                readString()
            } else {
                if character == "(" { depth += 1 }
                if character == ")" {
                    if untilClosing && depth == 0 { return }
                    depth -= 1
                }
                kept.append(character)
                place += 1
            }
        }
    }

    private mutating func skipComment() {
        var depth = 0
        repeat {
            if starts(with: "/*") {
                depth += 1
                place += 2
            } else if starts(with: "*/") {
                depth -= 1
                place += 2
            } else {
                place += 1
            }
        } while depth > 0 && place < text.count
        kept.append(" ")
    }

    private var isRawString: Bool {
        text[place...].first { $0 != "#" } == "\""
    }

    private mutating func readString() {
        var hashes = ""
        while text[place] == "#" {
            hashes += "#"
            place += 1
        }
        let quotes = starts(with: "\"\"\"") ? "\"\"\"" : "\""
        place += quotes.count
        kept.append("\"")
        while place < text.count, !starts(with: quotes + hashes) {
            if starts(with: "\\" + hashes + "(") {
                place += 2 + hashes.count
                kept += " ("
                readCode(untilClosing: true)
                kept += ") "
                place += 1
            } else {
                place += starts(with: "\\" + hashes) ? 2 + hashes.count : 1
            }
        }
        place += quotes.count + hashes.count
        kept.append("\"")
    }
}
