import type { sendUnaryData, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import users from '@eventstore/db-client/generated/users_pb.js';
import { asFault, handlerThrew, userNotFound } from '../wire/faults.js';
import type { KnownUser, Users } from './users.js';
import { message, repeated, request, text } from '../wire/protobuf.js';

const login = { loginName: [1, text] } as const;
const profile = { ...login, password: [2, text], fullName: [3, text], groups: [4, repeated(text)] } as const;
const options = <T extends Parameters<typeof message>[0]>(fields: T) => request({ options: [1, message(fields)] });

/** Decoders of requests. */
export const USERS = {
  create: options(profile),
  update: options(profile),
  delete: options(login),
  disable: options(login),
  enable: options(login),
  details: options(login),
  changePassword: options({ ...login, currentPassword: [2, text], newPassword: [3, text] }),
  resetPassword: options({ ...login, newPassword: [2, text] }),
} as const;

interface Options {
  readonly loginName?: string;
  readonly password?: string;
  readonly fullName?: string;
  readonly groups?: readonly string[];
  readonly currentPassword?: string;
  readonly newPassword?: string;
}
type Request = { readonly options?: Options };

/** The service Users. Access is checked before (guard.ts). */
export function usersService(all: Users) {
  const change =
    <Response>(answer: new () => Response, apply: (login: string, options: Options) => Promise<void>) =>
    (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
      const { options } = call.request;
      if (!options) return callback(handlerThrew());
      apply(options.loginName ?? '', options).then(
        () => callback(null, new answer()),
        (error: unknown) => callback(asFault(error)),
      );
    };
  return {
    create: change(users.CreateResp, (login, { password = '', fullName = '', groups = [] }) =>
      all.create(login, password, fullName, groups),
    ),
    // A password in the request is ignored, as by the genuine server.
    update: change(users.UpdateResp, (login, { fullName = '', groups = [] }) => all.update(login, { fullName, groups })),
    delete: change(users.DeleteResp, (login) => all.delete(login)),
    disable: change(users.DisableResp, (login) => all.update(login, { disabled: true })),
    enable: change(users.EnableResp, (login) => all.update(login, { disabled: false })),
    changePassword: change(users.ChangePasswordResp, (login, { currentPassword = '', newPassword = '' }) =>
      all.changePassword(login, currentPassword, newPassword),
    ),
    resetPassword: change(users.ResetPasswordResp, (login, { newPassword = '' }) => all.resetPassword(login, newPassword)),
    /** One user, or all if none is named. */
    details(call: ServerWritableStream<Request, users.DetailsResp>): void {
      try {
        const name = call.request.options?.loginName;
        const found = name === undefined ? all.all() : [all.find(name)];
        for (const user of found) {
          if (!user) throw userNotFound(name as string);
          call.write(details(user));
        }
        call.end();
      } catch (error) {
        call.emit('error', asFault(error));
      }
    },
  };
}

function details(user: KnownUser): users.DetailsResp {
  const updated = new users.DetailsResp.UserDetails.DateTime();
  // .NET ticks, units of 100 ns, as text: the number exceeds 2^53.
  updated.setTicksSinceEpoch(`${user.updated}0000`);
  const answer = new users.DetailsResp.UserDetails();
  answer.setLoginName(user.loginName);
  answer.setFullName(user.fullName);
  answer.setGroupsList([...user.groups]);
  answer.setDisabled(user.disabled);
  answer.setLastUpdated(updated);
  const response = new users.DetailsResp();
  response.setUserDetails(answer);
  return response;
}
