import Hummingbird
import LedgerCore

/// A request's query, of which every name must be known.
package struct QueryParameters {
    /// Entries of one page at the most, and where nothing is said.
    package static let limitMax = 1000
    package static let limitDefault = 100

    private let values: [String: String]

    /// - Throws: `Problem` for a name that the route does not know, or one that stands twice.
    package init(_ request: Request, known: [String]) throws(Problem) {
        guard QueryParameters.isText(request.uri.query ?? "") else {
            throw QueryParameters.problem("query", "is not UTF-8 in percent-encoding")
        }
        var values: [String: String] = [:]
        for (name, value) in request.uri.queryParameters {
            guard known.contains(String(name)) else {
                let list = known.joined(separator: ", ")
                throw QueryParameters.problem(String(name), "is not known here; known are \(list)")
            }
            guard values.updateValue(String(value), forKey: String(name)) == nil else {
                throw QueryParameters.problem(String(name), "stands twice")
            }
        }
        self.values = values
    }

    package subscript(_ name: String) -> String? { values[name] }

    /// The value, made by a constructor that refuses in words.
    package func value<Value>(
        _ name: String, _ make: (String) throws(InvalidValue) -> Value
    ) throws(Problem) -> Value? {
        guard let text = values[name] else { return nil }
        do throws(InvalidValue) { return try make(text) } catch {
            throw QueryParameters.problem(name, "is not taken: \(error.description)")
        }
    }

    /// How many entries the page may have: 1 to 1,000.
    package func limit() throws(Problem) -> Int {
        guard let text = values["limit"] else { return QueryParameters.limitDefault }
        guard let limit = Int(text), (1...QueryParameters.limitMax).contains(limit) else {
            throw QueryParameters.problem(
                "limit", "is 1 to \(QueryParameters.limitMax), not \(text.quotedForMessage)")
        }
        return limit
    }

    package static var badCursor: Problem {
        problem("cursor", "is not one that this listing gave out")
    }

    /// Whether every percent-encoding stands for a byte, and all of them together for UTF-8 (RFC
    /// 3986, section 2.5). What does not is handed on as it is by those who decode it.
    private static func isText(_ query: String) -> Bool {
        guard query.utf8.contains(UInt8(ascii: "%")) else { return true }
        var bytes: [UInt8] = []
        var rest = query.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2).compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
            guard digits.count == 2 else { return false }
            rest = rest.dropFirst(2)
            bytes.append(UInt8(digits[0] << 4 | digits[1]))
        }
        return String(validating: bytes, as: UTF8.self) != nil
    }

    private static func problem(_ name: String, _ message: String) -> Problem {
        // The name may be the client's own, and as long as an address can be.
        .invalid(name.utf8.count <= 64 ? name : "a parameter with a long name", message)
    }
}
