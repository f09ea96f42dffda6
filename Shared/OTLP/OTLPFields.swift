import Foundation
import SwiftProtobuf

/// Every message here. What the runtime's own base gives to generated code is not enough: there, `==` is
/// written out for each message, and here the compiler makes it.
package protocol OTLPMessage: Message, Hashable {}

extension OTLPMessage {
    package func isEqualTo(message: any Message) -> Bool {
        (message as? Self) == self
    }
}

// A field that has its default value is not written (proto3).

extension Visitor {
    mutating func visit(_ value: String, _ number: Int) throws {
        if !value.isEmpty { try visitSingularStringField(value: value, fieldNumber: number) }
    }

    mutating func visit(_ value: Data, _ number: Int) throws {
        if !value.isEmpty { try visitSingularBytesField(value: value, fieldNumber: number) }
    }

    mutating func visit(_ value: UInt32, _ number: Int) throws {
        if value != 0 { try visitSingularUInt32Field(value: value, fieldNumber: number) }
    }

    mutating func visit(fixed value: UInt64, _ number: Int) throws {
        if value != 0 { try visitSingularFixed64Field(value: value, fieldNumber: number) }
    }

    mutating func visit(fixed value: UInt32, _ number: Int) throws {
        if value != 0 { try visitSingularFixed32Field(value: value, fieldNumber: number) }
    }

    mutating func visit(_ values: [some Message], _ number: Int) throws {
        if !values.isEmpty { try visitRepeatedMessageField(value: values, fieldNumber: number) }
    }
}

extension SwiftProtobuf.Decoder {
    /// A message that stands once. Where it comes again, the later fields are added to the earlier.
    mutating func decode<Value: Message>(_ value: inout Value) throws {
        var found: Value? = value
        try decodeSingularMessageField(value: &found)
        if let found { value = found }
    }
}
