// A real Vault for tests: in memory, on a free port of loopback, unsealed. Standard output gets one line of JSON, its address and
// its root token; it ends with its standard input. Only the parts that the tests use are linked, since all of Vault takes long.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/database"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	core, rootToken, err := unsealed()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})
	go func() { _ = http.Serve(listener, handler) }()
	started := map[string]string{"address": "http://" + listener.Addr().String(), "rootToken": rootToken}
	if err := json.NewEncoder(os.Stdout).Encode(started); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func unsealed() (*vault.Core, string, error) {
	logger := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, "", err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		BuiltinRegistry:    databasePlugins{},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory, "database": database.Factory},
	})
	if err != nil {
		return nil, "", err
	}
	ctx := namespace.RootContext(context.Background())
	made, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}})
	if err != nil {
		return nil, "", err
	}
	if _, err := core.Unseal(made.SecretShares[0]); err != nil {
		return nil, "", err
	}
	return core, made.RootToken, nil
}

// databasePlugins is what Vault asks for plugins that are part of it.
type databasePlugins struct{}

const postgresqlPlugin = "postgresql-database-plugin"

func (databasePlugins) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	return postgresql.New, name == postgresqlPlugin && kind == consts.PluginTypeDatabase
}

func (d databasePlugins) Contains(name string, kind consts.PluginType) bool {
	_, found := d.Get(name, kind)
	return found
}

func (databasePlugins) Keys(kind consts.PluginType) []string {
	if kind == consts.PluginTypeDatabase {
		return []string{postgresqlPlugin}
	}
	return nil
}

func (d databasePlugins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, d.Contains(name, kind)
}

func (databasePlugins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
