import Foundation
import SwiftProtobuf

/// An attribute of a span, of an event, of a link or of a resource.
package struct OTLPKeyValue: Sendable {
    package var key = ""
    package var value = OTLPAnyValue()
    package var unknownFields = UnknownStorage()

    package init() {}

    package init(_ key: String, _ value: OTLPAnyValue.Value) {
        self.key = key
        self.value = OTLPAnyValue(value)
    }
}

/// An attribute's value. A list of names and values is among what is not known, and kept.
package struct OTLPAnyValue: Sendable {
    package enum Value: Hashable, Sendable {
        case string(String)
        case bool(Bool)
        case int(Int64)
        case double(Double)
        case array([OTLPAnyValue])
        case bytes(Data)
    }

    package var value: Value?
    package var unknownFields = UnknownStorage()

    package init() {}

    package init(_ value: Value) {
        self.value = value
    }
}

private struct ArrayValue: Sendable {
    var values: [OTLPAnyValue] = []
    var unknownFields = UnknownStorage()
}

extension [OTLPKeyValue] {
    /// The first value under a name.
    package func value(of key: String) -> OTLPAnyValue.Value? {
        first { $0.key == key }?.value.value
    }

    package func string(_ key: String) -> String? {
        if case .string(let text)? = value(of: key) { text } else { nil }
    }

    package func int(_ key: String) -> Int64? {
        if case .int(let number)? = value(of: key) { number } else { nil }
    }
}

// MARK: Wire

extension OTLPKeyValue: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.common.v1.KeyValue"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decodeSingularStringField(value: &key)
            case 2: try decoder.decode(&value)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(key, 1)
        try visitor.visitSingularMessageField(value: value, fieldNumber: 2)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension OTLPAnyValue: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.common.v1.AnyValue"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1:
                var text: String?
                try decoder.decodeSingularStringField(value: &text)
                if let text { value = .string(text) }
            case 2:
                var flag: Bool?
                try decoder.decodeSingularBoolField(value: &flag)
                if let flag { value = .bool(flag) }
            case 3:
                var number: Int64?
                try decoder.decodeSingularInt64Field(value: &number)
                if let number { value = .int(number) }
            case 4:
                var number: Double?
                try decoder.decodeSingularDoubleField(value: &number)
                if let number { value = .double(number) }
            case 5:
                var list: ArrayValue?
                try decoder.decodeSingularMessageField(value: &list)
                if let list { value = .array(list.values) }
            case 7:
                var bytes: Data?
                try decoder.decodeSingularBytesField(value: &bytes)
                if let bytes { value = .bytes(bytes) }
            default: break
            }
        }
    }

    /// Of a choice, also a default value is written: it says which was chosen.
    package func traverse<V: Visitor>(visitor: inout V) throws {
        switch value {
        case .string(let text): try visitor.visitSingularStringField(value: text, fieldNumber: 1)
        case .bool(let flag): try visitor.visitSingularBoolField(value: flag, fieldNumber: 2)
        case .int(let number): try visitor.visitSingularInt64Field(value: number, fieldNumber: 3)
        case .double(let number):
            try visitor.visitSingularDoubleField(value: number, fieldNumber: 4)
        case .array(let values):
            try visitor.visitSingularMessageField(
                value: ArrayValue(values: values), fieldNumber: 5)
        case .bytes(let bytes): try visitor.visitSingularBytesField(value: bytes, fieldNumber: 7)
        case nil: break
        }
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension ArrayValue: OTLPMessage {
    static let protoMessageName = "opentelemetry.proto.common.v1.ArrayValue"

    mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decodeRepeatedMessageField(value: &values)
            default: break
            }
        }
    }

    func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(values, 1)
        try unknownFields.traverse(visitor: &visitor)
    }
}
