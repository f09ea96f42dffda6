import Foundation

/// A JSON document, for looking into answers whose shape a test wants to see as it is.
package enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// Text that is not JSON.
    package struct Malformed: Error, CustomStringConvertible {
        package var description: String
    }

    package init(parsing bytes: [UInt8]) throws {
        do {
            let options: JSONSerialization.ReadingOptions = [.fragmentsAllowed]
            let parsed = try JSONSerialization.jsonObject(with: Data(bytes), options: options)
            self = try Self.convert(parsed)
        } catch {
            let text = String(decoding: bytes.prefix(200), as: UTF8.self)
            throw Malformed(description: "not JSON: \(text)")
        }
    }

    /// Null where this is no object or has no such member.
    package subscript(_ name: String) -> JSONValue {
        guard case .object(let members) = self else { return .null }
        return members[name] ?? .null
    }

    /// Null where this is no array or is shorter.
    package subscript(_ index: Int) -> JSONValue {
        guard case .array(let items) = self, items.indices.contains(index) else { return .null }
        return items[index]
    }

    package var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    package var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    package var array: [JSONValue]? {
        guard case .array(let items) = self else { return nil }
        return items
    }

    package var object: [String: JSONValue]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    package var int: Int? { quantity.flatMap { Int(exactly: $0) } }

    package var double: Double? {
        switch self {
        case .number(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }

    /// An amount or a sum: an integer, or beyond 2⁵³ a string of digits.
    package var quantity: Int128? {
        switch self {
        case .integer(let value): Int128(value)
        case .string(let text): Int128(text)
        default: nil
        }
    }

    private static func convert(_ value: Any) throws -> JSONValue {
        switch value {
        case is NSNull: return .null
        case let text as String: return .string(text)
        case let items as [Any]: return .array(try items.map(convert))
        case let members as [String: Any]: return .object(try members.mapValues(convert))
        case let number as NSNumber: return convert(number)
        default: throw Malformed(description: "\(type(of: value))")
        }
    }

    /// Foundation keeps truth values as numbers, told apart by their type alone.
    private static func convert(_ number: NSNumber) -> JSONValue {
        if isTruthValue(number) { return .bool(number.boolValue) }
        if let exact = Int64(exactly: number) { return .integer(exact) }
        return .number(number.doubleValue)
    }
}

private func isTruthValue(_ number: NSNumber) -> Bool {
    String(cString: number.objCType) == "c"
}
