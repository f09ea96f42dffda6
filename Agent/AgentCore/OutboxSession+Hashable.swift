import SyncProtocol

/// Two sessions with one hash go on alike: that is how an exhaustive search tells states apart.
extension OutboxSession {
    /// Without what only paces greetings, or is only reported of them.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(stream)
        hasher.combine(isWriting)
        hasher.combine(state)
        hasher.combine(head)
        hasher.combine(released)
        hasher.combine(lastSession)
        hasher.combine(resumeAt)
    }
}

extension OutboxSession.InFlight {
    /// Without the number of the attempt, and when it was sent.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(ends)
        hasher.combine(byteCount)
    }
}
