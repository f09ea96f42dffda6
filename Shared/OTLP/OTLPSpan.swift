import Foundation
import SwiftProtobuf

/// What one party did for a trace, from when to when.
package struct OTLPSpan: Sendable {
    /// 16 bytes.
    package var traceID = Data()
    /// 8 bytes.
    package var spanID = Data()
    package var traceState = ""
    /// 8 bytes; empty for a root.
    package var parentSpanID = Data()
    package var name = ""
    package var kind = Kind.unspecified
    /// In nanoseconds since 1970.
    package var start: UInt64 = 0
    /// In nanoseconds since 1970; no earlier than the start.
    package var end: UInt64 = 0
    package var attributes: [OTLPKeyValue] = []
    package var droppedAttributes: UInt32 = 0
    package var events: [OTLPEvent] = []
    package var droppedEvents: UInt32 = 0
    package var links: [OTLPLink] = []
    package var droppedLinks: UInt32 = 0
    package var status = OTLPStatus()
    /// The low byte is that of the W3C trace context.
    package var flags: UInt32 = 0
    package var unknownFields = UnknownStorage()

    package init() {}

    /// Numbers beyond these are kept.
    package struct Kind: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        package static let unspecified = Kind(rawValue: 0)
        package static let `internal` = Kind(rawValue: 1)
        package static let server = Kind(rawValue: 2)
        package static let client = Kind(rawValue: 3)
        package static let producer = Kind(rawValue: 4)
        package static let consumer = Kind(rawValue: 5)
    }
}

/// Something that happened at one moment of a span.
package struct OTLPEvent: Sendable {
    /// In nanoseconds since 1970.
    package var time: UInt64 = 0
    package var name = ""
    package var attributes: [OTLPKeyValue] = []
    package var droppedAttributes: UInt32 = 0
    package var unknownFields = UnknownStorage()

    package init() {}
}

/// Another span, of this trace or of another one, that a span has to do with.
package struct OTLPLink: Sendable {
    package var traceID = Data()
    package var spanID = Data()
    package var traceState = ""
    package var attributes: [OTLPKeyValue] = []
    package var droppedAttributes: UInt32 = 0
    package var flags: UInt32 = 0
    package var unknownFields = UnknownStorage()

    package init() {}
}

package struct OTLPStatus: Sendable {
    package var message = ""
    package var code = Code.unset
    package var unknownFields = UnknownStorage()

    package init() {}

    package struct Code: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        package static let unset = Code(rawValue: 0)
        package static let ok = Code(rawValue: 1)
        package static let error = Code(rawValue: 2)
    }
}

// MARK: Wire

extension OTLPSpan: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.trace.v1.Span"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decodeSingularBytesField(value: &traceID)
            case 2: try decoder.decodeSingularBytesField(value: &spanID)
            case 3: try decoder.decodeSingularStringField(value: &traceState)
            case 4: try decoder.decodeSingularBytesField(value: &parentSpanID)
            case 5: try decoder.decodeSingularStringField(value: &name)
            case 6: kind = Kind(rawValue: try decoder.decodeNumber(kind.rawValue))
            case 7: try decoder.decodeSingularFixed64Field(value: &start)
            case 8: try decoder.decodeSingularFixed64Field(value: &end)
            case 9: try decoder.decodeRepeatedMessageField(value: &attributes)
            case 10: try decoder.decodeSingularUInt32Field(value: &droppedAttributes)
            case 11: try decoder.decodeRepeatedMessageField(value: &events)
            case 12: try decoder.decodeSingularUInt32Field(value: &droppedEvents)
            case 13: try decoder.decodeRepeatedMessageField(value: &links)
            case 14: try decoder.decodeSingularUInt32Field(value: &droppedLinks)
            case 15: try decoder.decode(&status)
            case 16: try decoder.decodeSingularFixed32Field(value: &flags)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(traceID, 1)
        try visitor.visit(spanID, 2)
        try visitor.visit(traceState, 3)
        try visitor.visit(parentSpanID, 4)
        try visitor.visit(name, 5)
        try visitor.visit(kind.rawValue, 6)
        try visitor.visit(fixed: start, 7)
        try visitor.visit(fixed: end, 8)
        try visitor.visit(attributes, 9)
        try visitor.visit(droppedAttributes, 10)
        try visitor.visit(events, 11)
        try visitor.visit(droppedEvents, 12)
        try visitor.visit(links, 13)
        try visitor.visit(droppedLinks, 14)
        if status != OTLPStatus() {
            try visitor.visitSingularMessageField(value: status, fieldNumber: 15)
        }
        try visitor.visit(fixed: flags, 16)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension OTLPEvent: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.trace.v1.Span.Event"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decodeSingularFixed64Field(value: &time)
            case 2: try decoder.decodeSingularStringField(value: &name)
            case 3: try decoder.decodeRepeatedMessageField(value: &attributes)
            case 4: try decoder.decodeSingularUInt32Field(value: &droppedAttributes)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(fixed: time, 1)
        try visitor.visit(name, 2)
        try visitor.visit(attributes, 3)
        try visitor.visit(droppedAttributes, 4)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension OTLPLink: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.trace.v1.Span.Link"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decodeSingularBytesField(value: &traceID)
            case 2: try decoder.decodeSingularBytesField(value: &spanID)
            case 3: try decoder.decodeSingularStringField(value: &traceState)
            case 4: try decoder.decodeRepeatedMessageField(value: &attributes)
            case 5: try decoder.decodeSingularUInt32Field(value: &droppedAttributes)
            case 6: try decoder.decodeSingularFixed32Field(value: &flags)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(traceID, 1)
        try visitor.visit(spanID, 2)
        try visitor.visit(traceState, 3)
        try visitor.visit(attributes, 4)
        try visitor.visit(droppedAttributes, 5)
        try visitor.visit(fixed: flags, 6)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension OTLPStatus: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.trace.v1.Status"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 2: try decoder.decodeSingularStringField(value: &message)
            case 3: code = Code(rawValue: try decoder.decodeNumber(code.rawValue))
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(message, 2)
        try visitor.visit(code.rawValue, 3)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension SwiftProtobuf.Decoder {
    /// An enumeration's number. On the wire it is the varint that an unsigned number is.
    fileprivate mutating func decodeNumber(_ old: UInt32) throws -> UInt32 {
        var number = old
        try decodeSingularUInt32Field(value: &number)
        return number
    }
}
