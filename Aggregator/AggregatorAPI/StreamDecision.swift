import AggregatorCore
import HTTPSupport
import Hummingbird
import LedgerCore
import SyncProtocol
import TextFormats

/// What an operator decides of a stream.
enum StreamDecision {
    case approve, closeStream, declareLost

    func decision(_ stream: StreamTag) -> OperatorDecision {
        switch self {
        case .approve: .approve(stream)
        case .closeStream: .closeStream(stream)
        case .declareLost: .declareLost(stream)
        }
    }

    private func isFor(_ standing: Standing) -> Bool {
        switch self {
        case .approve: standing == .unapproved
        case .closeStream: standing == .open || standing == .unapproved
        case .declareLost: standing != .lost
        }
    }

    private var name: String {
        switch self {
        case .approve: "be approved"
        case .closeStream: "be closed"
        case .declareLost: "be declared lost"
        }
    }

    /// The stream that is meant: the one that is named, or the only one that can be.
    func stream(
        of agent: AgentView, named name: StreamTag?
    ) throws(Problem) -> StreamTag {
        if let name {
            guard agent.streams.contains(where: { $0.tag == name }) else {
                throw Problem(
                    .notFound,
                    "agent \(agent.id) has no stream \(name); \(Self.list(agent.streams))")
            }
            return name
        }
        let possible = agent.streams.filter { isFor($0.standing) }
        guard let only = possible.first else {
            throw Problem(
                .wrongStanding,
                "agent \(agent.id) has no stream that could \(self.name); \(Self.list(agent.streams))"
            )
        }
        guard possible.count == 1 else {
            throw Problem.invalid(
                "stream",
                "must say which one, for several could \(self.name): \(Self.list(possible))")
        }
        return only.tag
    }

    private static func list(_ streams: [AgentView.StreamView]) -> String {
        guard !streams.isEmpty else { return "it has proved none" }
        return streams.map { "\($0.tag) is \($0.standing.name)" }.joined(separator: ", ")
    }

    func problem(_ failure: DecisionFailure, _ stream: StreamTag) -> Problem {
        switch failure {
        case .unknownStream, .unknownConflict:
            return Problem(.notFound, "stream \(stream) has not proved itself to this aggregator")
        case .standing(let standing):
            return Problem(
                .wrongStanding, "stream \(stream) cannot \(name): it is \(standing.name)",
                members: [Problem.Member("standing", .text(standing.name))])
        case .alreadyResolved, .cannotRelease:
            return Problem(.wrongStanding, "stream \(stream) cannot \(name)")
        case .notWritten: return .notWritten
        }
    }
}

/// Who decides, and why: the body of every decision.
struct DecisionBody {
    /// Names and reasons are short: the hub's event has room for 1,279 bytes of them.
    static let bytesMax = 16 * 1024

    let decision: HubEvent.Decision
    let stream: StreamTag?

    private enum Key: String, JSONMember {
        case operatorName = "operator"
        case reason
        static let table = JSONMemberTable<Self>(required: [.operatorName, .reason])
    }

    private enum KeyWithStream: String, JSONMember {
        case operatorName = "operator"
        case reason, stream
        static let table = JSONMemberTable<Self>(required: [.operatorName, .reason])
    }

    /// - Parameter namesStream: whether the body may name one of the agent's streams.
    static func read(_ request: Request, namesStream: Bool) async throws(Problem) -> DecisionBody {
        try await JSONBody.read(request, bytesMax: bytesMax) { (json) throws(JSONError) in
            namesStream ? try withStream(&json) : try withoutStream(&json)
        }
    }

    private static func withoutStream(_ json: inout JSONReader) throws(JSONError) -> DecisionBody {
        var (name, reason) = ("", "")
        var members = try json.object(of: Key.self)
        while let member = try json.next(&members) {
            switch member {
            case .operatorName: name = try json.operatorName()
            case .reason: reason = try json.reason()
            }
        }
        return try make(name, reason, nil, &json)
    }

    private static func withStream(_ json: inout JSONReader) throws(JSONError) -> DecisionBody {
        var (name, reason) = ("", "")
        var stream: StreamTag?
        var members = try json.object(of: KeyWithStream.self)
        while let member = try json.next(&members) {
            switch member {
            case .operatorName: name = try json.operatorName()
            case .reason: reason = try json.reason()
            case .stream: stream = try json.streamTag()
            }
        }
        return try make(name, reason, stream, &json)
    }

    private static func make(
        _ name: String, _ reason: String, _ stream: StreamTag?, _ json: inout JSONReader
    ) throws(JSONError) -> DecisionBody {
        do throws(InvalidField) {
            let decision = try HubEvent.Decision(operatorName: name, reason: reason)
            return DecisionBody(decision: decision, stream: stream)
        } catch {
            throw json.refusal("\(error.path) \(error.message)")
        }
    }
}

extension JSONReader {
    fileprivate mutating func operatorName() throws(JSONError) -> String {
        try filled(bytesMax: HubEvent.Decision.operatorBytesMax)
    }

    fileprivate mutating func reason() throws(JSONError) -> String {
        try filled(bytesMax: HubEvent.Decision.reasonBytesMax)
    }

    private mutating func filled(bytesMax: Int) throws(JSONError) -> String {
        let text = try string(bytesMax: bytesMax)
        guard text.contains(where: { !$0.isWhitespace }) else { throw refusal("must not be empty") }
        return text
    }

    fileprivate mutating func streamTag() throws(JSONError) -> StreamTag {
        let text = try string(bytesMax: 64)
        do throws(InvalidValue) { return try StreamTag(text) } catch {
            throw refusal("must be a stream's tag: \(error.description)")
        }
    }
}
