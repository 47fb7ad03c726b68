/* Names of services for ports, as registered by IANA, and common ones. A table here rather than
 * /etc/services: the meaning of a name must not depend on a file that differs between machines. */
#include "plugins/firewall/services.h"

#include <stdio.h>
#include <string.h>

#include "core/base/suggest.h"
#include "plugins/lib/near.h"

static const struct {
    const char *name;
    int port;
} services[] = {{"amqp", 5672},
                {"amqps", 5671},
                {"auth", 113},
                {"bacula-dir", 9101},
                {"bacula-fd", 9102},
                {"bacula-sd", 9103},
                {"bfd-control", 3784},
                {"bgp", 179},
                {"bootpc", 68},
                {"bootps", 67},
                {"coap", 5683},
                {"coaps", 5684},
                {"dhcp-client", 68},
                {"dhcp-server", 67},
                {"dhcpv6-client", 546},
                {"dhcpv6-server", 547},
                {"dns", 53},
                {"dns-tls", 853},
                {"domain", 53},
                {"domain-s", 853},
                {"epmap", 135},
                {"finger", 79},
                {"ftp", 21},
                {"ftp-data", 20},
                {"ftps", 990},
                {"ftps-data", 989},
                {"geneve", 6081},
                {"git", 9418},
                {"gtp-u", 2152},
                {"http", 80},
                {"http-alt", 8080},
                {"https", 443},
                {"ident", 113},
                {"ike", 500},
                {"imap", 143},
                {"imap2", 143},
                {"imaps", 993},
                {"ipfix", 4739},
                {"ipp", 631},
                {"ipsec-nat-t", 4500},
                {"isakmp", 500},
                {"iscsi-target", 3260},
                {"kerberos", 88},
                {"kpasswd", 464},
                {"l2tp", 1701},
                {"ldap", 389},
                {"ldaps", 636},
                {"ldp", 646},
                {"llmnr", 5355},
                {"mdns", 5353},
                {"memcache", 11211},
                {"microsoft-ds", 445},
                {"mongodb", 27017},
                {"mqtt", 1883},
                {"mqtts", 8883},
                {"ms-sql-m", 1434},
                {"ms-sql-s", 1433},
                {"ms-wbt-server", 3389},
                {"munin", 4949},
                {"mysql", 3306},
                {"netbios-dgm", 138},
                {"netbios-ns", 137},
                {"netbios-ssn", 139},
                {"netconf-ssh", 830},
                {"netflow", 2055},
                {"nfs", 2049},
                {"nntp", 119},
                {"nrpe", 5666},
                {"ntp", 123},
                {"ntske", 4460},
                {"openvpn", 1194},
                {"pop3", 110},
                {"pop3s", 995},
                {"postgres", 5432},
                {"postgresql", 5432},
                {"pptp", 1723},
                {"printer", 515},
                {"printer-raw", 9100},
                {"proxy", 3128},
                {"ptp-event", 319},
                {"ptp-general", 320},
                {"radius", 1812},
                {"radius-acct", 1813},
                {"rdp", 3389},
                {"redis", 6379},
                {"rip", 520},
                {"ripng", 521},
                {"rsync", 873},
                {"rtsp", 554},
                {"sflow", 6343},
                {"sip", 5060},
                {"sip-tls", 5061},
                {"sips", 5061},
                {"smb", 445},
                {"smtp", 25},
                {"snmp", 161},
                {"snmp-trap", 162},
                {"snmptrap", 162},
                {"socks", 1080},
                {"ssdp", 1900},
                {"ssh", 22},
                {"stun", 3478},
                {"stuns", 5349},
                {"submission", 587},
                {"submissions", 465},
                {"sunrpc", 111},
                {"svn", 3690},
                {"syslog", 514},
                {"tacacs", 49},
                {"telnet", 23},
                {"telnets", 992},
                {"teredo", 3544},
                {"tftp", 69},
                {"time", 37},
                {"vnc", 5900},
                {"vxlan", 4789},
                {"webcache", 8080},
                {"whois", 43},
                {"winrm", 5985},
                {"wireguard", 51820},
                {"ws-discovery", 3702},
                {"x11", 6000},
                {"xdmcp", 177},
                {"xmpp-client", 5222},
                {"xmpp-server", 5269},
                {"zabbix-agent", 10050},
                {"zabbix-trapper", 10051}};
#define SERVICES (sizeof(services) / sizeof(*services))

const char *services_name(size_t n)
{
    return n < SERVICES ? services[n].name : NULL;
}

int service_port(const char *name, char *why, size_t size)
{
    struct suggest near;
    char hint[64];

    suggest_init(&near, name);
    for (size_t i = 0; i < SERVICES; i++) {
        if (!strcmp(services[i].name, name))
            return services[i].port;
        suggest_offer(&near, services[i].name);
    }
    snprintf(why, size, "is no port and no known service; give its number%s",
             near_text(&near, hint, sizeof(hint)));
    return -1;
}

static void describe(const cJSON *item, unsigned *count, char *text, size_t size)
{
    const char *name = cJSON_GetStringValue(item);
    size_t len = strlen(text);
    char part[64], why[160];
    int port;

    if (name && *name == '!')
        name++;
    if (!name || *name < 'a' || *name > 'z')
        return;
    port = service_port(name, why, sizeof(why));
    snprintf(part, sizeof(part), "%s%.40s is %d", *count ? ", " : " (", name, port);
    if (port < 0 || len + strlen(part) + 2 > size)
        return;
    memcpy(text + len, part, strlen(part) + 1);
    ++*count;
}

void services_describe(const cJSON *entry, char *text, size_t size)
{
    static const char *const members[] = {"source-ports", "destination-ports", "port"};
    unsigned count = 0;

    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(entry, members[i]), *item;

        if (cJSON_IsString(value))
            describe(value, &count, text, size);
        cJSON_ArrayForEach (item, value)
            describe(item, &count, text, size);
    }
    if (count)
        strcat(text, ")");
}
