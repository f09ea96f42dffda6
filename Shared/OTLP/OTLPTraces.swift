import Foundation
import SwiftProtobuf

/// Spans with what made them, as the OpenTelemetry protocol carries them over a wire
/// (opentelemetry.io/docs/specs/otlp): the trace part of it, under the official field numbers.
///
/// Written by hand in the shape of generated code, so that a build needs no `protoc`. A field that
/// these messages do not know is kept, and written again.
package struct OTLPTraces: Sendable {
    package var resourceSpans: [OTLPResourceSpans] = []
    package var unknownFields = UnknownStorage()

    package init() {}

    package init(_ resourceSpans: [OTLPResourceSpans]) {
        self.resourceSpans = resourceSpans
    }
}

/// The spans of one resource: a process of a service.
package struct OTLPResourceSpans: Sendable {
    package var resource = OTLPResource()
    package var scopeSpans: [OTLPScopeSpans] = []
    package var unknownFields = UnknownStorage()

    package init() {}

    package init(resource: OTLPResource, spans: [OTLPSpan], scope: OTLPScope = OTLPScope()) {
        self.resource = resource
        scopeSpans = [OTLPScopeSpans(scope: scope, spans: spans)]
    }

    /// Of all scopes.
    package var spans: [OTLPSpan] { scopeSpans.flatMap(\.spans) }
}

/// Who made spans, in attributes such as `service.name`.
package struct OTLPResource: Sendable {
    package var attributes: [OTLPKeyValue] = []
    package var unknownFields = UnknownStorage()

    package init() {}

    package init(attributes: [OTLPKeyValue]) {
        self.attributes = attributes
    }
}

/// The spans of one instrumentation library.
package struct OTLPScopeSpans: Sendable {
    package var scope = OTLPScope()
    package var spans: [OTLPSpan] = []
    package var unknownFields = UnknownStorage()

    package init() {}

    package init(scope: OTLPScope, spans: [OTLPSpan]) {
        self.scope = scope
        self.spans = spans
    }
}

package struct OTLPScope: Sendable {
    package var name = ""
    package var version = ""
    package var unknownFields = UnknownStorage()

    package init() {}

    package init(name: String, version: String = "") {
        self.name = name
        self.version = version
    }
}

// MARK: Wire

extension OTLPTraces: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.trace.v1.TracesData"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decodeRepeatedMessageField(value: &resourceSpans)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(resourceSpans, 1)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension OTLPResourceSpans: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.trace.v1.ResourceSpans"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decode(&resource)
            case 2: try decoder.decodeRepeatedMessageField(value: &scopeSpans)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visitSingularMessageField(value: resource, fieldNumber: 1)
        try visitor.visit(scopeSpans, 2)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension OTLPResource: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.resource.v1.Resource"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decodeRepeatedMessageField(value: &attributes)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(attributes, 1)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension OTLPScopeSpans: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.trace.v1.ScopeSpans"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decode(&scope)
            case 2: try decoder.decodeRepeatedMessageField(value: &spans)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visitSingularMessageField(value: scope, fieldNumber: 1)
        try visitor.visit(spans, 2)
        try unknownFields.traverse(visitor: &visitor)
    }
}

extension OTLPScope: OTLPMessage {
    package static let protoMessageName = "opentelemetry.proto.common.v1.InstrumentationScope"

    package mutating func decodeMessage<D: SwiftProtobuf.Decoder>(decoder: inout D) throws {
        while let field = try decoder.nextFieldNumber() {
            switch field {
            case 1: try decoder.decodeSingularStringField(value: &name)
            case 2: try decoder.decodeSingularStringField(value: &version)
            default: break
            }
        }
    }

    package func traverse<V: Visitor>(visitor: inout V) throws {
        try visitor.visit(name, 1)
        try visitor.visit(version, 2)
        try unknownFields.traverse(visitor: &visitor)
    }
}
