import Foundation

/// Holds JSON against the part of JSON Schema 2020-12 that the daemons' documents use.
///
/// A keyword that it does not know is an error, not something to pass over: a check that is not made
/// would count as passed.
package struct JSONSchema {
    /// The document is not one that this can check against.
    package struct Unusable: Error, CustomStringConvertible {
        package var description: String
    }

    /// What references lead into.
    private let document: JSONValue
    /// Whether a member that an object's schema does not name is a fault, even where the schema leaves
    /// it open: what a daemon answers must be described.
    fileprivate let mustDescribeMembers: Bool

    package init(document: JSONValue, mustDescribeMembers: Bool = true) {
        self.document = document
        self.mustDescribeMembers = mustDescribeMembers
    }

    /// What is wrong with a value, each fault with its path; none where it is as the schema says.
    ///
    /// - Throws: ``Unusable`` for a schema with a keyword, type, format, pattern or reference that is
    ///   not understood.
    package func faults(
        of value: JSONValue, against schema: JSONValue, at path: String = "$"
    ) throws -> [String] {
        let members = try self.members(of: schema)
        var faults: [String] = []
        for (keyword, argument) in members.sorted(by: { $0.key < $1.key }) {
            faults += try Check(self, value, path, members).faults(keyword, argument)
        }
        return faults
    }

    /// Goes through a schema and everything below it, and throws for what could not be checked.
    package func check(_ schema: JSONValue) throws {
        let members = try self.members(of: schema)
        // A value of each type, so that no keyword is passed over for the value's type.
        let samples: [JSONValue] = [
            .null, .bool(true), .integer(1), .number(1.5), .string("a"), .array([]), .object([:]),
        ]
        for sample in samples { _ = try faults(of: sample, against: schema) }
        for (keyword, argument) in members {
            switch keyword {
            case "items": try check(argument)
            case "additionalProperties" where argument.bool == nil: try check(argument)
            case "properties": for schema in (argument.object ?? [:]).values { try check(schema) }
            case "anyOf": for schema in argument.array ?? [] { try check(schema) }
            default: break
            }
        }
    }

    private func members(of schema: JSONValue) throws -> [String: JSONValue] {
        guard case .object(let members) = schema else {
            throw Unusable(description: "no schema: \(schema)")
        }
        return members
    }

    fileprivate func resolved(_ reference: JSONValue) throws -> JSONValue {
        guard let text = reference.string, text.hasPrefix("#/") else {
            throw Unusable(description: "reference \(reference)")
        }
        var place = document
        for part in text.dropFirst(2).split(separator: "/") { place = place[String(part)] }
        guard place != .null else { throw Unusable(description: "\(text) leads nowhere") }
        return place
    }
}

/// One value against one schema.
private struct Check {
    let schema: JSONSchema
    let value: JSONValue
    let path: String
    /// All keywords of the schema: what one means can depend on another.
    let members: [String: JSONValue]

    init(
        _ schema: JSONSchema, _ value: JSONValue, _ path: String, _ members: [String: JSONValue]
    ) {
        self.schema = schema
        self.value = value
        self.path = path
        self.members = members
    }

    func faults(_ keyword: String, _ argument: JSONValue) throws -> [String] {
        switch keyword {
        case "description": []
        case "$ref":
            try schema.faults(of: value, against: schema.resolved(argument), at: path)
        case "type": try type(argument)
        case "enum": try oneOf(argument)
        case "anyOf": try anyOf(argument)
        case "pattern": try pattern(argument)
        case "format": try format(argument)
        case "maxLength": try size(argument, of: value.string?.unicodeScalars.count, "characters")
        case "maxItems": try size(argument, of: value.array?.count, "items")
        case "minimum": try bound(argument, "at least", >=)
        case "maximum": try bound(argument, "at most", <=)
        case "items": try items(argument)
        case "properties": try properties(argument)
        case "required": try required(argument)
        case "additionalProperties": try others(argument)
        default: throw JSONSchema.Unusable(description: "the keyword \(keyword) is not known")
        }
    }

    private func fault(_ sentence: String) -> [String] { ["\(path) \(sentence): \(value)"] }

    private func type(_ argument: JSONValue) throws -> [String] {
        let fits =
            switch (argument.string, value) {
            case ("null", .null), ("boolean", .bool), ("integer", .integer), ("string", .string),
                ("array", .array), ("object", .object), ("number", .integer), ("number", .number):
                true
            case ("null", _), ("boolean", _), ("integer", _), ("string", _), ("array", _),
                ("object", _), ("number", _):
                false
            default: throw JSONSchema.Unusable(description: "the type \(argument) is not known")
            }
        return fits ? [] : fault("is no \(argument.string ?? "")")
    }

    private func oneOf(_ argument: JSONValue) throws -> [String] {
        guard let values = argument.array else {
            throw JSONSchema.Unusable(description: "enum \(argument)")
        }
        return values.contains(value) ? [] : fault("is none of \(values)")
    }

    private func anyOf(_ argument: JSONValue) throws -> [String] {
        guard let schemas = argument.array, !schemas.isEmpty else {
            throw JSONSchema.Unusable(description: "anyOf \(argument)")
        }
        var all: [String] = []
        for one in schemas {
            let faults = try schema.faults(of: value, against: one, at: path)
            if faults.isEmpty { return [] }
            all += faults
        }
        return all
    }

    private func pattern(_ argument: JSONValue) throws -> [String] {
        guard let text = argument.string,
            let pattern = try? NSRegularExpression(pattern: text)
        else { throw JSONSchema.Unusable(description: "pattern \(argument)") }
        guard let string = value.string else { return [] }
        let range = NSRange(string.startIndex..., in: string)
        return pattern.firstMatch(in: string, range: range) == nil ? fault("is not \(text)") : []
    }

    private func format(_ argument: JSONValue) throws -> [String] {
        guard argument.string == "date-time" else {
            throw JSONSchema.Unusable(description: "the format \(argument) is not known")
        }
        return try pattern(
            .string(
                "^\\d{4}-(0[1-9]|1[0-2])-([0-2]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:([0-5]\\d|60)(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$"
            ))
    }

    private func size(_ argument: JSONValue, of count: Int?, _ what: String) throws -> [String] {
        guard let limit = argument.int else {
            throw JSONSchema.Unusable(description: "limit \(argument)")
        }
        return (count ?? 0) <= limit ? [] : fault("has more than \(limit) \(what)")
    }

    private func bound(
        _ argument: JSONValue, _ words: String, _ holds: (Double, Double) -> Bool
    ) throws -> [String] {
        guard let limit = argument.double else {
            throw JSONSchema.Unusable(description: "bound \(argument)")
        }
        guard let number = value.double else { return [] }
        return holds(number, limit) ? [] : fault("is not \(words) \(limit)")
    }

    private func items(_ argument: JSONValue) throws -> [String] {
        try (value.array ?? []).enumerated().flatMap { index, item in
            try schema.faults(of: item, against: argument, at: "\(path)[\(index)]")
        }
    }

    private func properties(_ argument: JSONValue) throws -> [String] {
        guard let known = argument.object else {
            throw JSONSchema.Unusable(description: "properties \(argument)")
        }
        var faults: [String] = []
        for (name, member) in (value.object ?? [:]).sorted(by: { $0.key < $1.key }) {
            if let one = known[name] {
                faults += try schema.faults(of: member, against: one, at: "\(path).\(name)")
            } else if members["additionalProperties"] == nil, schema.mustDescribeMembers {
                faults.append("\(path).\(name) is not described: \(member)")
            }
        }
        return faults
    }

    private func required(_ argument: JSONValue) throws -> [String] {
        guard let names = argument.array?.map(\.string), !names.contains(nil) else {
            throw JSONSchema.Unusable(description: "required \(argument)")
        }
        guard let object = value.object else { return [] }
        return names.compactMap(\.self).filter { object[$0] == nil }.map {
            "\(path).\($0) is missing"
        }
    }

    private func others(_ argument: JSONValue) throws -> [String] {
        let known = members["properties"]?.object ?? [:]
        let others = (value.object ?? [:]).filter { known[$0.key] == nil }
        if argument.bool == true { return [] }
        if argument.bool == false {
            return others.keys.sorted().map { "\(path).\($0) may not be there" }
        }
        return try others.sorted { $0.key < $1.key }.flatMap { name, member in
            try schema.faults(of: member, against: argument, at: "\(path).\(name)")
        }
    }
}
