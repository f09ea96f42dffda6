import Glibc

/// How many files and sockets the process may have open.
enum DescriptorLimit {
    /// What a daemon needs at most: its connections, those that it refuses, and its files. Shells
    /// often give less than the system allows.
    private static let wanted: rlim_t = 8192

    /// Asks for as many as a daemon may need, within what the system allows.
    static func raise() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < wanted else { return }
        limit.rlim_cur = min(wanted, limit.rlim_max)
        // Where it is refused, the daemon serves fewer connections: nothing that must stop it.
        _ = setrlimit(resource, &limit)
    }
}
