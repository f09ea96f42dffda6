import FleetHarness

/// So that a test says `answer["code"] == "not_found"`.
extension JSONValue: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) {
        self = .string(value)
    }
}
