import AgentCore
import LedgerCore
import SyncProtocol

/// What may still matter to a ``SmallWriter``, and what tells two of them apart.
extension SmallWriter {
    func generator(_ letters: [Letter]) -> FreshNames.Generator {
        var used = outerNames
        for letter in letters where letter.name == name { used.formUnion(letter.names) }
        used.formUnion(names)
        return FreshNames.Generator(name: used.next)
    }

    /// Of handshakes that are not over.
    var names: FreshNames {
        var used: [UInt8] = []
        for index in sessions.indices where isGreeting(index) {
            used += [handshakes[index].nonce, handshakes[index].challenge]
        }
        return FreshNames(used)
    }

    func isGreeting(_ index: Int) -> Bool {
        sessions[index].phase == .greeting || errands.contains { $0.stream == index }
    }

    func awaits(_ nonce: [UInt8]) -> Bool {
        sessions.contains { $0.awaits(nonce) }
    }

    /// Whether an acknowledgement may still change something.
    func mayUse(_ ack: Ack, session: UInt64) -> Bool {
        guard let index = disk.streams.firstIndex(where: { $0.tag == ack.stream }) else {
            return false
        }
        guard sessions[index].streamingSession == session else {
            return mayEnter(session, of: ack.stream)
        }
        guard let confirmed = sessions[index].confirmed else { return true }
        return ack.through.sequence > confirmed.acknowledged.sequence
    }

    /// Whether that session is open, or may still be.
    func mayEnter(_ session: UInt64, of stream: StreamTag) -> Bool {
        guard let index = disk.streams.firstIndex(where: { $0.tag == stream }) else { return false }
        return sessions[index].streamingSession == session
            || errands.contains { $0.stream == index && $0.session == session }
            || disk.mayEnter(session, of: stream)
    }

    var writing: StreamTag { disk.streams[disk.streams.count - 1].tag }

    var digest: StateDigest {
        StateDigest { hasher in
            hasher.combine(number)
            hasher.combine(life)
            hasher.combine(recorded)
            hasher.combine(drawn)
            hasher.combine(isConnected)
            disk.hash(into: &hasher)
            for index in sessions.indices {
                hasher.combine(sessions[index])
                if isGreeting(index) { hasher.combine(handshakes[index]) }
            }
            hasher.combine(errands)
        }
    }
}

extension SmallWriter.Disk {
    /// Whether a folder with this disk may come to prove that session.
    func mayEnter(_ session: UInt64, of stream: StreamTag) -> Bool {
        streams.contains { $0.tag == stream && session > $0.lastSession }
    }
}
