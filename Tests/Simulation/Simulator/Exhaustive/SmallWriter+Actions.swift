import AgentCore
import LedgerCore
import SyncProtocol

/// What the sessions of a ``SmallWriter`` want done.
extension SmallWriter {
    mutating func perform(
        _ actions: [OutboxSession.Action], _ index: Int, _ letters: inout [Letter]
    ) {
        var queue = actions[...]
        while let action = queue.popFirst() { queue = perform(action, index, &letters) + queue }
    }

    mutating func perform(
        _ action: OutboxSession.Action, _ index: Int, _ letters: inout [Letter]
    ) -> [OutboxSession.Action] {
        let stream = disk.streams[index]
        switch action {
        case .sendHello(let nonce, let lastSession):
            sendHello(nonce, lastSession, index, &letters)
        case .prepare(let session, let leaves, let announced):
            errands.append(
                Errand(stream: index, session: session, leaves: leaves, announced: announced))
        case .sendProof(let challenge, let session, let proof):
            sendProof(challenge, session, proof, index, &letters)
        case .sendSegments(let session, let after, let through, _):
            return send(after, through, session, index, &letters)
        case .locate(let places):
            let found = places.filter(stream.contains).max { $0.sequence < $1.sequence }
            var random = generator(letters)
            return sessions[index].rewound(
                to: found, of: places, unsentBytes: 0, now: SmallWriter.now, &random)
        case .progress(let progress): release(progress.ack.through, index)
        case .end:
            sessions[index].retire()
            if index == disk.streams.count - 1 { draw() }
            // The stream that ended drains now, and the new one begins.
            if isConnected {
                for next in [index, disk.streams.count - 1] { greet(next, &letters) }
            }
        case .sendDefinitions: fault = "names were asked for, and none are missing"
        case .hold, .refuse: break
        }
        return []
    }

    mutating func release(_ point: ChainPoint, _ index: Int) {
        if !disk.streams[index].contains(point) {
            fault = "released at event \(point.sequence) of another chain"
        }
        if point.sequence > disk.streams[index].acknowledged.sequence {
            disk.streams[index].acknowledged = point
        }
    }

    mutating func sendHello(
        _ nonce: [UInt8], _ lastSession: UInt64, _ index: Int, _ letters: inout [Letter]
    ) {
        let stream = disk.streams[index]
        let acknowledged = stream.acknowledged
        let hello = Hello(
            nonce: nonce, lastSession: lastSession, head: stream.head, acknowledged: acknowledged,
            acknowledgedAt: acknowledged.sequence > 0
                ? LogPlace(hub: SmallHub.tag, position: acknowledged.sequence) : nil,
            seen: .nothing, oldestRetained: 1, softwareVersion: "", genesis: stream.genesis)
        handshakes[index] = Handshake(
            greeting: hello.digest(SmallWriter.hasher), nonce: nonce[0], challenge: 0)
        guard isConnected else { return }
        let frame = Message.hello(hello).framed(session: 0)
        letters.append(Letter(from: name, frame, names: [nonce[0]]))
    }

    mutating func sendProof(
        _ challenge: [UInt8], _ session: UInt64, _ proof: Proof, _ index: Int,
        _ letters: inout [Letter]
    ) {
        if disk.streams[index].lastSession != session {
            fault = "session \(session) is proved, and the disk does not say so"
        }
        if session <= disk.streams[index].provedSession {
            fault = "session \(session) is proved twice"
        }
        disk.streams[index].provedSession = session
        guard isConnected else { return }
        let content = proof.signedContent(
            challenge: challenge, greeting: handshakes[index].greeting, session: session)
        let frame = Message.proof(proof).framed(session: session, signature: signer.sign(content))
        letters.append(
            Letter(
                from: name, frame, names: [handshakes[index].nonce, challenge[0]], sender: sender,
                challenge: challenge[0]))
    }

    mutating func send(
        _ after: UInt64, _ through: UInt64, _ session: UInt64, _ index: Int,
        _ letters: inout [Letter]
    ) -> [OutboxSession.Action] {
        let stream = disk.streams[index]
        let chosen = stream.segments.filter {
            $0.segment.header.firstSequence > after && $0.end.sequence <= through
        }
        guard isConnected, let last = chosen.last else { return [] }
        let message = SegmentsMessage(
            stream: stream.tag, sentAt: Timestamp(microseconds: 0), attempt: 1,
            segments: chosen.map(\.segment.bytes))
        let content = SegmentsMessage.signedContent(
            session: session, stream: stream.tag, sentAt: message.sentAt, lastHash: last.hash)
        let frame = Message.segments(message).framed(
            session: session, signature: signer.sign(content))
        letters.append(Letter(from: name, frame))
        return sessions[index].sent(
            ends: chosen.map(\.end), byteCount: chosen.reduce(0) { $0 + $1.segment.bytes.count },
            at: nil)
    }
}
